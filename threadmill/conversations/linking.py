"""Who answers whom: comments of whole threads as arrays of row numbers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Rows = npt.NDArray[np.int64]

NONE = -1


@dataclass(frozen=True)
class Links:
    """Links between the n rows of a frame of comments.

    Attributes:
        parent: int64[n], the row of each comment's parent in its thread, or -1 where it has none there.
        root: int64[n], the first of each comment's chain of parents, or -1 where the chain ends in a cycle.
    """

    parent: Rows
    root: Rows


def link(frame: pl.DataFrame, *, parent_kinds: bool, titles: bool = False) -> Links:
    """Links comments to their parents within their thread. A submission has no parent, and is one only with ``titles``.

    Args:
        frame: columns thread_id (rows of a thread together), id (unique among the comments of a thread), parent_id and
            parent_kind ("comment", "submission", or "none" for the submission itself, of which a thread has one at most).
        parent_kinds: heed parent_kind, so that a top-level comment has no parent even where its submission's id
            happens to be a comment's id too. The reference pipeline strips the kinds and does not.
        titles: a comment without a parent among the comments that answers the submission has the submission's row as
            its parent, where that is there.
    """
    thread, kind = frame["thread_id"].rle_id(), frame["parent_kind"]
    rows = pl.int_range(frame.height, dtype=pl.Int64, eager=True)
    submissions = (kind == "none").arg_true()
    children = pl.DataFrame({"thread": thread, "id": frame["parent_id"], "child": rows})
    parents = pl.DataFrame({"thread": thread, "id": frame["id"], "parent": rows})
    if parent_kinds:
        children = children.filter(kind == "comment")
    if len(submissions):
        parents = parents.filter(kind != "none")
    found = children.join(parents, on=["thread", "id"], how="inner")
    parent = np.full(frame.height, NONE, np.int64)
    parent[found["child"].to_numpy()] = found["parent"].to_numpy()
    if len(submissions):
        parent[submissions.to_numpy()] = NONE  # where kinds are ignored: it has no parent_id, but for a malformed one
    if titles and len(submissions):
        _link_to_titles(parent, thread.to_numpy(), (kind == "submission").to_numpy(), submissions.to_numpy())
    return Links(parent, roots(parent))


def _link_to_titles(
    parent: Rows, thread: npt.NDArray[np.uint32], top_level: npt.NDArray[np.bool_], submissions: npt.NDArray[np.uint32]
) -> None:
    submission = np.full(int(thread[-1]) + 1, NONE, np.int64)
    submission[thread[submissions]] = submissions
    rows = np.flatnonzero(top_level & (parent == NONE))
    parent[rows] = submission[thread[rows]]


def roots(parent: Rows) -> Rows:
    """The end of each row's chain of parents, -1 for rows whose chain never ends.

    Pointer doubling: a chain of n comments takes log2(n) steps, and cycles (which scraped data has) do no harm.
    """
    rows = np.arange(len(parent), dtype=np.int64)
    ancestor = np.where(parent == NONE, rows, parent)
    for _ in range(max(1, len(parent).bit_length())):
        further = ancestor[ancestor]
        if np.array_equal(further, ancestor):
            break
        ancestor = further
    return np.where(parent[ancestor] == NONE, ancestor, NONE) if len(parent) else ancestor


def ancestors(parent: Rows, rows: Rows, count: int) -> Rows:
    """int64[count, len(rows)]: the parents, grandparents, ... of ``rows``; -1 beyond a chain's first comment."""
    result = np.full((count, len(rows)), NONE, np.int64)
    current = rows
    for generation in range(count):
        current = np.where(current == NONE, NONE, parent[current])
        result[generation] = current
    return result


def generations(parent: Rows) -> Rows:
    """int64[n]: how many ancestors each row has; meaningless for rows whose chain never ends.

    Pointer doubling, as in `roots`.
    """
    ancestor = parent
    count: Rows = (parent != NONE).astype(np.int64)
    for _ in range(max(1, len(parent).bit_length())):
        on = np.flatnonzero(ancestor != NONE)
        if not len(on):
            break
        count[on] += count[ancestor[on]]
        further = np.full_like(ancestor, NONE)
        further[on] = ancestor[ancestor[on]]
        ancestor = further
    return count


def of_ancestors(parent: Rows, marks: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """uint64[n]: the bits that any ancestor of each row has in ``marks`` (uint64[n]), its own apart.

    Pointer doubling, as in `roots`; in a cycle each row is its own ancestor.
    """
    ancestor = parent
    found = np.where(parent == NONE, np.uint64(0), marks[parent]) if len(parent) else marks
    for _ in range(max(1, len(parent).bit_length())):
        on = np.flatnonzero(ancestor != NONE)
        if not len(on):
            break
        further = np.full_like(ancestor, NONE)
        further[on] = ancestor[ancestor[on]]
        found[on] |= found[ancestor[on]]
        ancestor = further
    return found
