"""One thread of comments as a tree of plain text: who answered whom, when, and what is no longer there."""

import re
import textwrap
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow.compute as pc

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.parquet import open_parquet
from threadmill.errors import InputError
from threadmill.reports.dialogue import printable

_COLUMNS = ("thread_id", "id", "parent_id", "parent_kind", "subreddit", "author", "body", "score", "created_utc", "removal")
_PREFIX = re.compile(r"^t[0-9]_")
_NARROWEST = 40
_LEVEL = 3  # columns of a guide
_BODY_LINES = 4


@dataclass(frozen=True)
class TreeLimits:
    """How much of a thread is printed.

    Attributes:
        width: columns of a line.
        replies: to one comment.
        comments: in all.
    """

    width: int = 100
    replies: int = 20
    comments: int = 200


def read_thread(dataset: Dataset, thread_id: str) -> pl.DataFrame:
    """The comments of a thread (and its submission, if it is there), as they lie in a dataset of comments or threads.

    Raises:
        InputError: the dataset is of another kind, or has no such thread.
    """
    bare = _PREFIX.sub("", thread_id.strip())
    if dataset.manifest.stage not in ("ingest", "threads"):
        raise InputError(
            f"{dataset.uri} is a dataset of the stage {dataset.manifest.stage}; name one of comments or threads to see a thread"
        )
    found = []
    for shard in dataset.shards():
        rows = _rows_of_thread(dataset.path(shard), bare)
        if rows.height:
            found.append(rows)
            if dataset.manifest.stage == "threads":
                break  # a thread lies in one shard
    if not found:
        raise InputError(
            f"{dataset.uri} has no comment of a thread {thread_id!r}; thread_id is the submission's id, such as 3k2ab"
        )
    return pl.concat(found)


def _rows_of_thread(uri: str, thread_id: str) -> pl.DataFrame:
    if storage.is_local(uri):
        scan = pl.scan_parquet(storage.local_path(uri)).filter(pl.col("thread_id") == thread_id)
        names = [*_COLUMNS, *(name for name in ("is_new",) if name in scan.collect_schema())]
        return scan.select(names).collect()
    with open_parquet(uri) as file:
        names = [*_COLUMNS, *(name for name in ("is_new",) if name in file.schema_arrow.names)]
        found = [pl.DataFrame(schema=dict(pl.DataFrame(file.schema_arrow.empty_table()).schema)).select(names)]
        for group in range(file.num_row_groups):
            mine = pc.equal(file.read_row_group(group, ["thread_id"])["thread_id"], thread_id)
            if pc.any(mine).as_py():
                found.append(pl.DataFrame(file.read_row_group(group, names).filter(mine)))
    return pl.concat(found)


def render_thread(comments: pl.DataFrame, limits: TreeLimits) -> Iterator[str]:
    """The lines of a thread's tree: replies below what they answer, in the order of time. Safe to print.

    A comment whose parent is missing, or that answers itself by a detour, begins a tree of its own.
    """
    rows = comments.sort("created_utc", "id", maintain_order=True).to_dicts()
    tree = _Tree.of(rows)
    width = max(limits.width, _NARROWEST)
    yield from textwrap.wrap(_heading(comments), width)
    shown = 0
    levels = width // 2 // _LEVEL
    stack = _branches(tree, tree.roots, "", 0, limits)
    while stack:
        branch = stack.pop()
        if isinstance(branch.entry, str):
            yield f"{branch.guide}{branch.entry}"
            continue
        if shown == limits.comments:
            continue
        shown += 1
        remarks = [f"depth {branch.depth}" if branch.depth > levels else "", tree.remarks.get(branch.entry, "")]
        yield from _comment(rows[branch.entry], remarks, branch, width)
        stack += _branches(tree, tree.children[branch.entry], branch.below[-levels * _LEVEL :], branch.depth + 1, limits)
    if shown < len(rows):
        yield f"... {len(rows) - shown:,} of {len(rows):,} are not shown"


@dataclass
class _Tree:
    """Rows by what they answer.

    Attributes:
        roots: rows that answer nothing that is there.
        children: of each row, those that answer it.
        sizes: of each row, how many rows are below it, itself included.
        remarks: of rows out of the ordinary, what is.
    """

    roots: list[int] = field(default_factory=list)
    children: list[list[int]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    remarks: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> "_Tree":
        tree = cls(children=[[] for _ in rows], sizes=[1] * len(rows))
        places: dict[tuple[bool, Any], int] = {}
        for number, row in enumerate(rows):
            if places.setdefault((row["parent_kind"] == "none", row["id"]), number) != number:
                tree.remarks[number] = "a duplicate"
        parents = [tree._parent(number, row, places) for number, row in enumerate(rows)]
        for number, parent in enumerate(parents):
            (tree.children[parent] if parent is not None else tree.roots).append(number)
        tree.roots.sort(key=lambda number: (rows[number]["parent_kind"] != "none", number))
        tree._cut_cycles(parents)
        return tree

    def _parent(self, number: int, row: dict[str, Any], places: dict[tuple[bool, Any], int]) -> int | None:
        if row["parent_kind"] == "none":
            return None
        to_submission = row["parent_kind"] == "submission"
        parent = places.get((to_submission, row["parent_id"]))
        if parent is None and not to_submission:
            self.remarks[number] = f"answers t1_{row['parent_id']}, which is missing"
        return parent

    def _cut_cycles(self, parents: Sequence[int | None]) -> None:
        """Makes the first row of each cycle a root, and adds up the sizes."""
        reached = bytearray(len(parents))
        order = self._below(self.roots, reached)
        for number in range(len(parents)):
            if not reached[number]:
                start = self._on_cycle(number, parents)
                self.children[parents[start] or 0].remove(start)
                self.roots.append(start)
                self.remarks[start] = "answers what answers it, a cycle"
                order += self._below([start], reached)
        for number in reversed(order):
            self.sizes[number] += sum(self.sizes[child] for child in self.children[number])

    def _below(self, roots: Sequence[int], reached: bytearray) -> list[int]:
        order, queue = [], deque(roots)
        while queue:
            number = queue.popleft()
            reached[number] = 1
            order.append(number)
            queue.extend(self.children[number])
        return order

    @staticmethod
    def _on_cycle(number: int, parents: Sequence[int | None]) -> int:
        """The earliest row of the cycle that the row's parents lead into."""
        seen: dict[int, None] = {}
        while number not in seen:
            seen[number] = None
            number = parents[number] or 0
        cycle = list(seen)
        return min(cycle[cycle.index(number) :])


@dataclass(frozen=True)
class _Branch:
    """A row, or a remark in the place of some; its guide, and the guide of what hangs below it."""

    entry: int | str
    guide: str
    below: str
    depth: int


def _branches(tree: _Tree, rows: Sequence[int], guide: str, depth: int, limits: TreeLimits) -> list[_Branch]:
    """Rows as a stack, the first on top, with a remark on those that are too many."""
    shown, rest = rows[: limits.replies], rows[limits.replies :]
    stack = []
    for place, number in enumerate(shown):
        last = place == len(shown) - 1 and not rest
        stack.append(_Branch(number, f"{guide}{'└─ ' if last else '├─ '}", f"{guide}{'   ' if last else '│  '}", depth))
    if rest:
        inner = sum(tree.sizes[number] for number in rest)
        text = f"... {len(rest):,} more" + (f", {inner:,} with what is below them" if inner > len(rest) else "")
        stack.append(_Branch(text, f"{guide}└─ ", "", depth))
    return stack[::-1]


def _heading(comments: pl.DataFrame) -> str:
    said = comments.filter(pl.col("parent_kind") != "none")
    days = said["created_utc"].drop_nulls().sort().dt.strftime("%Y-%m-%d")
    count = f"{_counted(said.height, 'comment')} by {_counted(said['author'].n_unique(), 'author')}"
    place = printable(f"thread {comments['thread_id'][0]}, r/{comments['subreddit'][0]}")
    return f"{place}: {count}" + (f", {days[0]} to {days[-1]}" if len(days) else "")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _comment(row: dict[str, Any], remarks: Sequence[str], branch: _Branch, width: int) -> Iterator[str]:
    room = max(width - len(branch.below), _NARROWEST // 2)
    first, *others = textwrap.wrap(_byline(row, remarks), room)
    yield f"{branch.guide}{first}"
    lines = [piece for line in printable(row["body"] or "").splitlines() for piece in textwrap.wrap(line, room)]
    for line in [*others, *lines[:_BODY_LINES]]:
        yield f"{branch.below}{line}"
    if len(lines) > _BODY_LINES:
        rest = sum(len(line) for line in lines[_BODY_LINES:])
        yield f"{branch.below}... {rest:,} more characters"


def _byline(row: dict[str, Any], remarks: Sequence[str]) -> str:
    parts = [
        printable(row["author"] or "[no author]"),
        "" if row["score"] is None else _counted(row["score"], "point"),
        f"{row['created_utc']:%Y-%m-%d %H:%M}" if row["created_utc"] else "",
        f"{'t3' if row['parent_kind'] == 'none' else 't1'}_{row['id']}",
        f"removed ({row['removal']})" if row["removal"] else "",
        "context only" if row.get("is_new") is False else "",
        *remarks,
    ]
    return " · ".join(part for part in parts if part)
