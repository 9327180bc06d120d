"""Brings the turns of examples together from the rows of their comments."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.linking import NONE, Links, Rows, ancestors
from threadmill.conversations.rules import fault_names
from threadmill.conversations.trimming import trim_all
from threadmill.datasets.arrow_text import large_strings

Mask = npt.NDArray[np.bool_]

_NO_AUTHOR = "[deleted]"
_WORD = r"[^ \t\n\r\x0B\x0C]+"
_ROOT_KINDS = {"none": "submission", "submission": "top_level", "comment": "orphan"}  # by what the first turn answers


class Gatherer:
    """Makes examples of responses among ``comments``, which have faults as `prepare` makes them."""

    def __init__(self, comments: pl.DataFrame, links: Links, config: ConversationsConfig) -> None:
        self._comments, self._links, self._config = comments, links, config
        self._extra_contexts = config.extra_contexts
        faults, names = comments["faults"].to_numpy(), fault_names(config)
        self._too_long = _any_of(faults, names, {"too_long"})
        harmless = {"too_long", "too_short", *(() if config.cut_at_tombstones else ("tombstone",))}
        self._ends = _any_of(faults, names, set(names) - harmless)
        self._turn_ids = _turn_ids(comments)
        self._turn_authors = comments["author"].fill_null(_NO_AUTHOR).str.replace_all(" ", "_", literal=True)
        self._root_kinds = comments["parent_kind"].replace_strict(_ROOT_KINDS, return_dtype=pl.String)

    def examples(self, responses: Rows) -> pl.DataFrame:
        """One row a response, with the columns of `feature_names` in their order."""
        comments, links = self._comments, self._links
        context, extra = self._turns_before(responses)
        turns = _ContextTurns(context, extra)
        columns: dict[str, pl.Series] = {
            "context": comments["body"].gather(context),
            "context_author": comments["author"].gather(context),
            "context_authors": turns.joined(self._turn_authors),
            "context_ids": turns.joined(self._turn_ids),
            "created_utc": comments["created_utc"].gather(responses).dt.epoch("s").cast(pl.String),
            "example_id": comments["id"].gather(responses),
            "response": comments["body"].gather(responses),
            "response_author": comments["author"].gather(responses),
            "root_kind": self._root_kinds.gather(links.root[responses]),
            "subreddit": comments["subreddit"].gather(responses),
            "thread_id": comments["thread_id"].gather(responses),
        }
        bodies = self._trimmed(extra)
        for name, rows in zip(self._extra_contexts, extra, strict=True):
            columns[name] = bodies.gather(pl.Series(rows).set(pl.Series(rows == NONE), None))
        return pl.DataFrame({name: columns[name] for name in sorted(columns, key=str.encode)})

    def words_together(self, responses: Rows) -> Rows:
        """int64[n]: the words of all turns of each example; words end at ASCII white space."""
        everywhere = self._trimmed(np.arange(self._comments.height))
        words = np.append(everywhere.str.count_matches(_WORD).fill_null(0).to_numpy().astype(np.int64), 0)  # NONE has none
        context, extra = self._turns_before(responses)
        together: Rows = words[responses] + words[context] + words[extra].sum(axis=0)
        return together

    def _turns_before(self, responses: Rows) -> tuple[Rows, Rows]:
        """int64[n], the rows of the contexts, and int64[parent_depth - 1, n], those of the extra contexts or NONE."""
        parent = self._links.parent
        context = parent[responses]
        return context, _cut_at(ancestors(parent, context, self._config.parent_depth - 1), self._ends)

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


def _any_of(faults: npt.NDArray[np.uint64], names: tuple[str, ...], wanted: set[str]) -> Mask:
    bits = sum(1 << bit for bit, name in enumerate(names) if name in wanted)
    found: Mask = (faults & np.uint64(bits)) != 0
    return found


def _turn_ids(comments: pl.DataFrame) -> pl.Series:
    rows = (comments["parent_kind"] == "none").arg_true()
    return comments["id"].scatter(rows, "t3_" + comments["id"].gather(rows)) if len(rows) else comments["id"]


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
        # Not pa.array(ends), which imports pandas where that is installed.
        ends = pa.Array.from_buffers(pa.int64(), len(self._ends), [None, pa.py_buffer(self._ends)])
        return pl.Series(pa.LargeListArray.from_arrays(ends, gathered)).list.join(" ")
