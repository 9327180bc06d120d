"""The heart of it: comments of whole threads to context/response examples.

The method is PolyAI's (conversational-datasets, reddit/create_data.py): every reply gives at most one example, whose
context is the comment it answers and whose extra contexts are the comments before that, the most recent first.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.linking import NONE, Links, Rows, ancestors, link
from threadmill.conversations.rules import fault_names, prepare
from threadmill.conversations.trimming import trim_all
from threadmill.datasets.arrow_text import large_strings
from threadmill.datasets.counters import Counters

Mask = npt.NDArray[np.bool_]
Faults = npt.NDArray[np.uint64]

# What `prepare` reads and what is read after it: the text of a rule is settled before comments are linked.
PREPARED_COLUMNS = (
    "thread_id",
    "id",
    "parent_id",
    "parent_kind",
    "subreddit",
    "author",
    "body",
    "created_utc",
    "is_new",
)
COLUMNS = (*PREPARED_COLUMNS, "removal", "score")

_SLICE = 1 << 17  # examples that are gathered at a time
_NO_AUTHOR = "[deleted]"


def make_examples(comments: pl.DataFrame, config: ConversationsConfig) -> tuple[pl.DataFrame, Counters]:
    """The examples of some whole threads.

    Args:
        comments: the columns COLUMNS, or PREPARED_COLUMNS and faults as `prepare` makes them, bodies cut to
            max_length + 1 characters or whole; rows of a thread together, ids unique in a thread.

    Returns:
        A frame of strings with the columns of `feature_names`, one row an example in the order of the responses,
        null where a feature is absent; and the funnel: each comment is a response that was kept, or was dropped for a reason.
    """
    if "faults" not in comments.columns:
        comments = prepare(comments, config)
    links = link(comments, parent_kinds=config.parent_kinds)
    faults = comments["faults"].to_numpy()
    responses, counters = _choose_responses(comments, links, faults, config)
    gather = _Gather(comments, links, faults, config)
    slices = (responses[start : start + _SLICE] for start in range(0, max(1, len(responses)), _SLICE))
    return pl.concat([gather.examples(rows) for rows in slices]), counters


def feature_names(config: ConversationsConfig) -> tuple[str, ...]:
    """The features of an example, sorted: the reference pipeline's, then ours: when, who, in which place."""
    reference = ("context", "context_author", "response", "response_author", "subreddit", "thread_id")
    own = ("context_authors", "context_ids", "created_utc", "example_id", "root_kind")
    return tuple(sorted([*reference, *own, *config.extra_contexts], key=str.encode))


def _choose_responses(comments: pl.DataFrame, links: Links, faults: Faults, config: ConversationsConfig) -> tuple[Rows, Counters]:
    """The rows that are responses of an example; every other is counted under the first reason that holds for it."""
    has_parent = links.parent != NONE
    names = fault_names(config)
    counters = Counters(read=comments.height)
    left = np.arange(comments.height)
    for reasons in (
        _places(comments, links, has_parent),
        _breaches("response", names, faults),
        _breaches("context", names, np.where(has_parent, faults[links.parent], 0) if len(faults) else faults),
    ):
        for reason, holds in reasons:
            dropped = holds[left]
            counters.drop(reason, int(np.count_nonzero(dropped)))
            left = left[~dropped]
    counters.kept = counters.written = len(left)
    return left, counters


def _places(comments: pl.DataFrame, links: Links, has_parent: Mask) -> Iterator[tuple[str, Mask]]:
    """By the reason, the comments whose place in their thread is that of no response."""
    top_level = (comments["parent_kind"] == "submission").to_numpy()
    yield "context_only", ~comments["is_new"].to_numpy()
    yield "top_level", ~has_parent & top_level
    yield "orphan", ~has_parent
    yield "cycle", links.root == NONE


def _breaches(turn: str, names: tuple[str, ...], faults: Faults) -> Iterator[tuple[str, Mask]]:
    """By TURN_RULE, the comments with that fault."""
    found = int(np.bitwise_or.reduce(faults, initial=0))
    for bit, name in enumerate(names):
        if found >> bit & 1:
            yield f"{turn}_{name}", (faults & np.uint64(1 << bit)) != 0


class _Gather:
    """Brings together the turns of examples."""

    def __init__(self, comments: pl.DataFrame, links: Links, faults: Faults, config: ConversationsConfig) -> None:
        self._comments, self._links, self._config = comments, links, config
        names = fault_names(config)
        self._too_long = (faults & np.uint64(1 << names.index("too_long"))) != 0
        self._ends = (faults & np.uint64(1 << names.index("tombstone"))) != 0 if config.cut_at_tombstones else None
        self._turn_ids = comments["id"]
        self._turn_authors = comments["author"].fill_null(_NO_AUTHOR).str.replace_all(" ", "_", literal=True)

    def examples(self, responses: Rows) -> pl.DataFrame:
        """One row a response, with the columns of `feature_names`."""
        comments, links = self._comments, self._links
        context = links.parent[responses]
        extra = ancestors(links.parent, context, self._config.parent_depth - 1)
        if self._ends is not None:
            extra = _cut_at(extra, self._ends)
        rooted = comments["parent_kind"].gather(links.root[responses]) == "submission"
        turns = _ContextTurns(context, extra)
        columns = {
            "context": comments["body"].gather(context),
            "context_author": comments["author"].gather(context),
            "context_authors": turns.joined(self._turn_authors),
            "context_ids": turns.joined(self._turn_ids),
            "created_utc": comments["created_utc"].gather(responses).dt.epoch("s").cast(pl.String),
            "example_id": comments["id"].gather(responses),
            "response": comments["body"].gather(responses),
            "response_author": comments["author"].gather(responses),
            "root_kind": rooted.replace_strict({True: "top_level", False: "orphan"}, return_dtype=pl.String),
            "subreddit": comments["subreddit"].gather(responses),
            "thread_id": comments["thread_id"].gather(responses),
        }
        bodies = self._trimmed(extra)
        for name, rows in zip(self._config.extra_contexts, extra, strict=True):
            columns[name] = bodies.gather(pl.Series(rows).set(pl.Series(rows == NONE), None))
        return pl.DataFrame(columns).select(feature_names(self._config))

    def _trimmed(self, extra: Rows) -> pl.Series:
        """The bodies, those that serve as extra contexts trimmed."""
        body, config = self._comments["body"], self._config
        used = np.zeros(len(body), np.bool_)
        used[extra[extra != NONE]] = True
        rows = np.flatnonzero(used & self._too_long)
        if not len(rows):
            return body
        heads = body.gather(rows).str.head(config.max_length + 1)
        return body.scatter(rows, trim_all(heads, config.max_length, hard_cut=config.hard_cut))


def _cut_at(extra: Rows, stop: Mask) -> Rows:
    """The extra contexts up to, not including, the first for which ``stop`` holds."""
    stopped = (extra != NONE) & stop[extra]
    return np.where(np.logical_or.accumulate(stopped, axis=0), NONE, extra)


class _ContextTurns:
    """Which rows are the turns before each of n responses, the most recent first."""

    def __init__(self, context: Rows, extra: Rows) -> None:
        turns = np.vstack([context, extra]).T
        there = turns != NONE
        self._rows = turns[there]
        self._ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))])

    def joined(self, texts: pl.Series) -> pl.Series:
        """Their ``texts``, a text a row without null, separated by a space: String[n]."""
        gathered = large_strings(texts.gather(self._rows))
        lists = pa.LargeListArray.from_arrays(pa.array(self._ends, pa.int64()), gathered)
        return pl.Series(lists).list.join(" ")
