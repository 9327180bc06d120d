"""Comments as they enter the linking: their text in its final form, and the rules that each of them breaks."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rules.registry import RULES

_HTML_ESCAPES = {"&gt;": ">", "&lt;": "<", "&amp;": "&"}  # the three that Reddit writes


def prepare(comments: pl.DataFrame, config: ConversationsConfig) -> pl.DataFrame:
    """``comments`` with their bodies in final form and the column `faults`: a function of each row alone.

    Args:
        comments: the columns of examples.COLUMNS less is_new, and any other; bodies whole, as they were written.

    Returns:
        The same columns; ``body`` unescaped where the config says so; and ``faults``, UInt64: bit i is set where
        the comment breaks the rule that `fault_names` has at i.
    """
    if config.unescape_html:
        comments = comments.with_columns(_unescaped(comments["body"]))
    return comments.with_columns(_faults(config))


def _unescaped(body: pl.Series) -> pl.Series:
    """``body`` with the HTML entities that Reddit writes turned into their characters, once."""
    rows = body.str.contains("&", literal=True).arg_true()  # few: the rest need no second look
    texts = body.gather(rows).str.replace_many(list(_HTML_ESCAPES), list(_HTML_ESCAPES.values()))
    return body.scatter(rows, texts)


def _faults(config: ConversationsConfig) -> pl.Expr:
    broken = ((bit, rule.broken(config)) for bit, rule in enumerate(RULES))
    bits = [
        pl.when(rule).then(pl.lit(1 << bit, pl.UInt64)).otherwise(pl.lit(0, pl.UInt64))
        for bit, rule in broken
        if rule is not None
    ]
    return pl.sum_horizontal(pl.lit(0, pl.UInt64), *bits).cast(pl.UInt64).alias("faults")
