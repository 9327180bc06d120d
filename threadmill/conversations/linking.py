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
        root: int64[n], the first comment of each comment's chain of parents, or -1 where the chain ends in a cycle.
    """

    parent: Rows
    root: Rows


def link(frame: pl.DataFrame, *, parent_kinds: bool) -> Links:
    """Links comments to their parents within their thread.

    Args:
        frame: columns thread_id (rows of a thread together), id (unique in a thread), parent_id and parent_kind.
        parent_kinds: heed parent_kind, so that a top-level comment has no parent even where its submission's id
            happens to be a comment's id too. The reference pipeline strips the kinds and does not.
    """
    thread = frame["thread_id"].rle_id()
    rows = pl.int_range(frame.height, dtype=pl.Int64, eager=True)
    children = pl.DataFrame({"thread": thread, "id": frame["parent_id"], "child": rows})
    if parent_kinds:
        children = children.filter(frame["parent_kind"] == "comment")
    parents = pl.DataFrame({"thread": thread, "id": frame["id"], "parent": rows})
    found = children.join(parents, on=["thread", "id"], how="inner")
    parent = np.full(frame.height, NONE, np.int64)
    parent[found["child"].to_numpy()] = found["parent"].to_numpy()
    return Links(parent, roots(parent))


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
