"""Which examples a ledger takes down, and what is left of those whose older turns it names."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from threadmill.takedown.ledger import Ledger

MARKS = ("context_author", "context_authors", "context_ids", "example_id", "response_author")
"""The features that tell who wrote an example's turns."""


@dataclass(frozen=True)
class Marks:
    """Of n examples: which go (Boolean[n]), and how many turns before the response are left of each (UInt32[n], null for all)."""

    gone: pl.Series
    turns_left: pl.Series

    @property
    def dropped(self) -> int:
        """How many examples go."""
        return int(self.gone.sum())

    @property
    def cut(self) -> int:
        """How many stay with fewer older turns."""
        return int((~self.gone & self.turns_left.is_not_null()).sum())


def mark(examples: pl.DataFrame, ledger: Ledger) -> Marks:
    """An example goes where its response or its context is taken down; where an older turn is, the turns end before it.

    Args:
        examples: with the features MARKS.
    """
    authors = pl.concat([examples["response_author"], examples["context_author"]])
    turns = examples.lazy().select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
        pl.col("context_ids").str.split(" ").alias("id"),
        pl.col("context_authors").str.split(" ").alias("author"),
    )
    long = turns.explode("id", "author").collect()
    named = ledger.names_among(pl.concat([authors, long["author"]]))
    full = pl.when(pl.col("id").str.starts_with("t3_")).then("id").otherwise("t1_" + pl.col("id"))
    taken = full.is_in(list(ledger.ids)) | pl.col("author").is_in(named)
    position = pl.int_range(pl.len(), dtype=pl.UInt32).over("row")
    firsts = long.with_columns(position=position).filter(taken).group_by("row").agg(pl.col("position").min())
    rows = pl.DataFrame({"row": pl.int_range(examples.height, dtype=pl.UInt32, eager=True)})
    turns_left = rows.join(firsts, on="row", how="left", maintain_order="left")["position"]
    response = ("t1_" + pl.col("example_id")).is_in(list(ledger.ids)) | pl.col("response_author").is_in(named)
    gone = examples.select(gone=(response | pl.col("context_author").is_in(named)).fill_null(False)).to_series()
    return Marks(gone | (turns_left == 0).fill_null(False), turns_left)


def without_marked(examples: pl.DataFrame, marks: Marks) -> pl.DataFrame:
    """The examples that stay, their older turns cut; all features as `read_all` gives them, in the same order.

    The first turn that is left answers one that is gone, so the example is an orphan's; where that was the submission itself,
    its root is a top-level comment.
    """
    marked = examples.with_columns(marks.turns_left.alias("turns_left")).filter(~marks.gone)
    cut = marked.filter(pl.col("turns_left").is_not_null())
    if not cut.height:
        return marked.drop("turns_left")
    ids = pl.col("context_ids").str.split(" ")
    first_gone = ids.list.get(pl.col("turns_left"))
    changed = {
        "context_ids": ids.list.head("turns_left").list.join(" "),
        "context_authors": pl.col("context_authors").str.split(" ").list.head("turns_left").list.join(" "),
        "root_kind": pl.when(first_gone.str.starts_with("t3_")).then(pl.lit("top_level")).otherwise(pl.lit("orphan")),
        **{name: pl.when(depth + 1 < pl.col("turns_left")).then(name) for depth, name in _older_turns(examples.columns)},
    }
    is_cut = pl.col("turns_left").is_not_null()
    return marked.with_columns(
        pl.when(is_cut).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in changed.items()
        if name in marked.columns
    ).drop("turns_left")


def _older_turns(features: Sequence[str]) -> list[tuple[int, str]]:
    """The features context/0, context/1, ... with their numbers."""
    return [(int(name.removeprefix("context/")), name) for name in features if name.startswith("context/")]
