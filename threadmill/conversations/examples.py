"""The heart of it: comments of whole threads to context/response examples.

The method is PolyAI's (conversational-datasets, reddit/create_data.py): every reply gives at most one example, whose
context is the comment it answers and whose extra contexts are the comments before that, the most recent first.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.linking import NONE, Links, Rows, ancestors, link
from threadmill.conversations.trimming import trim_all
from threadmill.datasets.counters import Counters

Mask = npt.NDArray[np.bool_]

COLUMNS = ("thread_id", "id", "parent_id", "parent_kind", "subreddit", "author", "body", "removal", "is_new")

_HTML_ESCAPES = {"&gt;": ">", "&lt;": "<", "&amp;": "&"}  # the three that Reddit writes


def make_examples(comments: pl.DataFrame, config: ConversationsConfig) -> tuple[pl.DataFrame, Counters]:
    """The examples of some whole threads.

    Args:
        comments: the columns COLUMNS; rows of a thread together, ids unique in a thread.

    Returns:
        A frame of strings with the columns of `feature_names`, one row an example in the order of the responses,
        null where a feature is absent; and the funnel: each comment is a response that was kept, or was dropped for a reason.
    """
    if config.unescape_html:
        comments = comments.with_columns(unescaped(pl.col("body")))
    links = link(comments, parent_kinds=config.parent_kinds)
    turns = _Turns.of(comments, config)
    responses, counters = _choose_responses(comments, links, turns)
    extra = ancestors(links.parent, links.parent[responses], config.parent_depth - 1)
    if config.cut_at_tombstones:
        extra = _cut_at(extra, turns.tombstone)
    return _gather(comments, links, responses, extra, turns, config), counters


def feature_names(config: ConversationsConfig) -> tuple[str, ...]:
    """The features of an example, sorted: the reference pipeline's, then example_id and root_kind of ours."""
    own = ("context", "context_author", "example_id", "response", "response_author", "root_kind", "subreddit", "thread_id")
    return tuple(sorted([*own, *config.extra_contexts], key=str.encode))


def unescaped(body: pl.Expr) -> pl.Expr:
    """``body`` with the HTML entities that Reddit writes turned into their characters, once."""
    return body.str.replace_many(list(_HTML_ESCAPES), list(_HTML_ESCAPES.values()))


@dataclass(frozen=True)
class _Turns:
    """What of each comment (bool[n] each) decides whether it can be a turn."""

    tombstone: Mask
    too_long: Mask
    too_short: Mask

    @classmethod
    def of(cls, comments: pl.DataFrame, config: ConversationsConfig) -> "_Turns":
        length = comments["body"].str.len_chars().to_numpy()
        removal = comments["removal"]
        tombstone = removal.is_not_null() if config.all_tombstones else removal.is_in(["author", "moderator"])
        return cls(tombstone.fill_null(False).to_numpy(), length > config.max_length, length < config.min_length)


def _choose_responses(comments: pl.DataFrame, links: Links, turns: _Turns) -> tuple[Rows, Counters]:
    """The rows that are responses of an example; every other is counted under the first reason that holds for it."""
    parent = links.parent
    top_level = (comments["parent_kind"] == "submission").to_numpy()
    has_parent = parent != NONE
    reasons = {
        "context_only": ~comments["is_new"].to_numpy(),
        "top_level": ~has_parent & top_level,
        "orphan": ~has_parent,
        "cycle": links.root == NONE,
        "response_tombstone": turns.tombstone,
        "response_too_long": turns.too_long,
        "response_too_short": turns.too_short,
        "context_tombstone": has_parent & turns.tombstone[parent],
        "context_too_long": has_parent & turns.too_long[parent],
        "context_too_short": has_parent & turns.too_short[parent],
    }
    counters = Counters(read=comments.height)
    left = np.ones(comments.height, np.bool_)
    for reason, holds in reasons.items():
        counters.drop(reason, int(np.count_nonzero(left & holds)))
        left &= ~holds
    responses = np.flatnonzero(left)
    counters.kept = counters.written = len(responses)
    return responses, counters


def _cut_at(extra: Rows, stop: Mask) -> Rows:
    """The extra contexts up to, not including, the first for which ``stop`` holds."""
    stopped = (extra != NONE) & stop[extra]
    return np.where(np.logical_or.accumulate(stopped, axis=0), NONE, extra)


def _gather(
    comments: pl.DataFrame, links: Links, responses: Rows, extra: Rows, turns: _Turns, config: ConversationsConfig
) -> pl.DataFrame:
    context = links.parent[responses]
    rooted = comments["parent_kind"].gather(links.root[responses]) == "submission"
    columns = {
        "context": comments["body"].gather(context),
        "context_author": comments["author"].gather(context),
        "example_id": comments["id"].gather(responses),
        "response": comments["body"].gather(responses),
        "response_author": comments["author"].gather(responses),
        "root_kind": rooted.replace_strict({True: "top_level", False: "orphan"}, return_dtype=pl.String),
        "subreddit": comments["subreddit"].gather(responses),
        "thread_id": comments["thread_id"].gather(responses),
    }
    bodies = _trimmed(comments["body"], extra, turns.too_long, config)
    for name, rows in zip(config.extra_contexts, extra, strict=True):
        columns[name] = bodies.gather(pl.Series(rows).set(pl.Series(rows == NONE), None))
    return pl.DataFrame(columns).select(feature_names(config))


def _trimmed(body: pl.Series, extra: Rows, too_long: Mask, config: ConversationsConfig) -> pl.Series:
    """The bodies, those that serve as extra contexts trimmed."""
    used = np.zeros(len(body), np.bool_)
    used[extra[extra != NONE]] = True
    rows = np.flatnonzero(used & too_long)
    if not len(rows):
        return body
    heads = body.gather(rows).str.head(config.max_length + 1)
    return body.scatter(rows, trim_all(heads, config.max_length, hard_cut=config.hard_cut))
