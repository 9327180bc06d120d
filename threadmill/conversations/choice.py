"""Which comments are responses of an example, and why each of the others is not."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.linking import NONE, Links, Rows, generations, of_ancestors
from threadmill.conversations.rules import fault_names
from threadmill.datasets.counters import Counters

Mask = npt.NDArray[np.bool_]
Faults = npt.NDArray[np.uint64]
Reasons = Iterator[tuple[str, Mask]]


def choose_responses(comments: pl.DataFrame, links: Links, config: ConversationsConfig) -> tuple[Rows, Counters]:
    """The rows that are responses of an example; every other is counted under the first reason that holds for it.

    The reasons, in order: it is a submission, is not of the month (context_only), answers the submission (top_level) or a
    comment that is not there (orphan), is part of a cycle or behind one, lies too_deep; then response_RULE where it breaks
    a rule, context_RULE where the comment it answers does; an echo of that comment; and, by failed_turn, older_RULE where a
    turn before that breaks one (drop), or subtree_RULE where any comment above it does (subtree).

    Args:
        comments: with faults, as `prepare` makes them.
    """
    parent = links.parent
    names = fault_names(config)
    faults = comments["faults"].to_numpy()
    left = np.arange(comments.height)
    counters = Counters(read=comments.height)

    def drop(reasons: Reasons) -> Rows:
        rows = left
        for reason, holds in reasons:
            counters.drop(reason, int(np.count_nonzero(holds[rows])))
            rows = rows[~holds[rows]]
        return rows

    left = drop(_places(comments, links, config))
    left = drop(_breaches("response", names, faults))
    if len(left):
        left = drop(_breaches("context", names, np.where(parent == NONE, np.uint64(0), faults[parent])))
    if config.drop_echoes:
        left = drop(_echoes(comments, parent, left))
    if config.failed_turn == "drop":
        left = drop(_breaches("older", names, _of_older_turns(parent, left, faults, config.parent_depth)))
    if config.failed_turn == "subtree":
        left = drop(_breaches("subtree", names, of_ancestors(parent, faults)))
    counters.kept = counters.written = len(left)
    return left, counters


def _places(comments: pl.DataFrame, links: Links, config: ConversationsConfig) -> Reasons:
    """By the reason, the comments whose place in their thread is that of no response."""
    kind = comments["parent_kind"]
    no_parent = links.parent == NONE
    yield "submission", (kind == "none").to_numpy()
    yield "context_only", ~comments["is_new"].to_numpy()
    yield "top_level", no_parent & (kind == "submission").to_numpy()
    yield "orphan", no_parent
    yield "cycle", links.root == NONE
    if config.max_depth:
        yield "too_deep", _depths(kind, links) > config.max_depth


def _depths(kind: pl.Series, links: Links) -> Rows:
    """int64[n]: 1 for a comment that answers the submission, or whose parent is not there; one more for each answer."""
    submission = (kind == "none").to_numpy()
    depths: Rows = generations(links.parent) + ~submission[links.root]
    return depths


def _breaches(turn: str, names: tuple[str, ...], faults: Faults) -> Reasons:
    """By TURN_RULE, the comments with that fault."""
    present = int(np.bitwise_or.reduce(faults, initial=np.uint64(0)))
    for bit, name in enumerate(names):
        if present >> bit & 1:
            yield f"{turn}_{name}", (faults & np.uint64(1 << bit)) != 0


def _echoes(comments: pl.DataFrame, parent: Rows, rows: Rows) -> Reasons:
    body = comments["body"]
    echoes = np.zeros(len(body), np.bool_)
    echoes[rows] = (body.gather(rows) == body.gather(parent[rows])).to_numpy()
    yield "echo", echoes


def _of_older_turns(parent: Rows, rows: Rows, faults: Faults, parent_depth: int) -> Faults:
    """uint64[n]: for each of ``rows``, the bits of the turns before its context, as far back as examples go."""
    found = np.zeros_like(faults)
    current = parent[rows]
    for _ in range(parent_depth - 1):
        rows, current = rows[current != NONE], current[current != NONE]
        current = parent[current]
        there = current != NONE
        found[rows[there]] |= faults[current[there]]
    return found
