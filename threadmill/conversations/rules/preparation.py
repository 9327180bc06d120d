"""Comments as they enter the linking: their text in its final form, and the rules that each of them breaks."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rules import custom, personal_data, words
from threadmill.conversations.rules.registry import RULES, fault_names

_HTML_ESCAPES = {"&gt;": ">", "&lt;": "<", "&amp;": "&"}  # the three that Reddit writes
_LENGTHS = ("too_long", "too_short")


def prepare(comments: pl.DataFrame, config: ConversationsConfig) -> pl.DataFrame:
    """``comments`` with their bodies in final form and the column `faults`: a function of each row alone.

    Args:
        comments: the columns of examples.COLUMNS less is_new, and any other; bodies whole, as they were written.

    Returns:
        The same columns; ``body`` with its HTML entities and personal data as the config says, of a submission its title
        alone unless the config wants more; and ``faults``, UInt64: bit i is set where the comment breaks the rule that
        `fault_names` has at i.

    Raises:
        ConfigError: a file of names is gone, or a rule of the user's own fails.
    """
    comments = comments.with_columns(_final(comments, config))
    measures = words.measured(comments["body"]) if words.are_asked_for(config) else []
    faults = comments.with_columns(measures).select(_faults(config)).to_series()
    faults |= _costly_faults(comments, faults, config)
    for bit, broken in enumerate(custom.broken(comments, config), len(RULES)) if config.rules else ():
        faults |= broken.cast(pl.UInt64) * (1 << bit)
    return comments.with_columns(faults.alias("faults"))


def _final(comments: pl.DataFrame, config: ConversationsConfig) -> pl.Series:
    body = comments["body"]
    if config.titles and not config.self_text:
        rows = (comments["parent_kind"] == "none").fill_null(False).arg_true()
        body = body.scatter(rows, body.gather(rows).str.extract(r"\A([^\n]*)", 1))
    if config.unescape_html:
        body = _unescaped(body)
    return personal_data.masked(body) if config.personal_data == "mask" else body


def _unescaped(body: pl.Series) -> pl.Series:
    """``body`` with the HTML entities that Reddit writes turned into their characters, once."""
    rows = body.str.contains("&", literal=True).fill_null(False).arg_true()  # few: the rest need no second look
    texts = body.gather(rows).str.replace_many(list(_HTML_ESCAPES), list(_HTML_ESCAPES.values()))
    return body.scatter(rows, texts)


def _faults(config: ConversationsConfig) -> pl.Expr:
    """The bits of the rules that are quick to ask."""
    broken = [(bit, rule.broken(config)) for bit, rule in enumerate(RULES) if not rule.costly]
    bits = [_bit(expression, bit) for bit, expression in broken if expression is not None]
    return pl.sum_horizontal(bits).alias("faults")


def _bit(broken: pl.Expr, bit: int) -> pl.Expr:
    return pl.when(broken).then(pl.lit(1 << bit, pl.UInt64)).otherwise(pl.lit(0, pl.UInt64))


def _costly_faults(comments: pl.DataFrame, faults: pl.Series, config: ConversationsConfig) -> pl.Series:
    """The bits of the costly rules, asked of comments without other faults than of length: older turns may have those."""
    names = fault_names(config)
    lengths = sum(1 << names.index(name) for name in _LENGTHS)
    broken = [(bit, rule.broken(config)) for bit, rule in enumerate(RULES) if rule.costly]
    bits = [_bit(expression, bit) for bit, expression in broken if expression is not None]
    result = pl.repeat(0, comments.height, dtype=pl.UInt64, eager=True)
    if not bits:
        return result
    rows = ((faults & (lengths ^ ((1 << 64) - 1))) == 0).arg_true()
    return result.scatter(rows, comments[rows].select(pl.sum_horizontal(bits)).to_series())
