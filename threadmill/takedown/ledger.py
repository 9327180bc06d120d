"""The takedown ledger: the ids and hashed authors whose comments no release may hold."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from threadmill.datasets.digest import json_digest
from threadmill.datasets.manifest import InputEntry
from threadmill.errors import InputError
from threadmill.takedown.entries import Entry, Place, read_entries

_ID = re.compile(r"(?P<kind>t[13]_)?(?P<id>[0-9a-z]{1,13})")
_HASH = re.compile(r"[0-9a-f]{64}")
_COMMENT, _SUBMISSION = "t1_", "t3_"


def author_hash(name: str) -> str:
    """How a ledger names an author: SHA-256 (hex) of the name in lower case, as Reddit's names are equal in any case."""
    return hashlib.sha256(name.lower().encode()).hexdigest()


# Who wrote them is not known: an entry of this name would take down every such comment.
_NOBODY = author_hash("[deleted]")


@dataclass(frozen=True)
class Ledger:
    """Opt-outs. An id takes down one comment (t1_) or one submission (t3_), not the answers to it; an author all they wrote.

    The hashes keep names out of the file, but whoever has a list of names can find the ones that it holds: treat a
    ledger as personal data.

    Attributes:
        ids: "t1_..." and "t3_...".
        authors: hashes; see `author_hash`.
        uri: where it was read from; no part of the digest.
    """

    ids: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    uri: str = field(default="", compare=False)

    @classmethod
    def load(cls, uri: str) -> "Ledger":
        """Reads a ledger: .csv with a header, .jsonl or .ndjson, or .parquet, local or any fsspec URI; "" gives an empty one.

        Its columns: ``kind``, "id" or "author", and ``value``. An id is t1_ID (a comment), t3_ID (a submission) or ID
        alone (a comment); an author is the SHA-256 of their name, never the name. Other columns are not read.

        Raises:
            InputError: there is no such file, or an entry of it is none; names the line (the row, of a Parquet file).
        """
        return cls.of(read_entries(uri), uri) if uri else cls()

    @classmethod
    def of(cls, entries: Iterable[tuple[Place, Entry]], uri: str = "") -> "Ledger":
        """The ledger of some entries, each with the place that an error names."""
        ids, authors = set(), set()
        for place, entry in entries:
            if entry.kind == "id":
                ids.add(_full_id(entry.value, place))
            elif entry.kind == "author":
                authors.add(_checked_hash(entry.value, place))
            else:
                raise InputError(f"{place}: the kind is {entry.kind!r}; write id or author")
        return cls(frozenset(ids), frozenset(authors), uri)

    def __len__(self) -> int:
        """How many entries it has, each counted once."""
        return len(self.ids) + len(self.authors)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the entries: their order, and how often each is written, do not matter."""
        return json_digest([sorted(self.ids), sorted(self.authors)])

    def as_input(self) -> InputEntry:
        """How a dataset that was made with this ledger refers to it."""
        return InputEntry("takedown", self.digest, self.uri)

    def entries(self) -> pl.DataFrame:
        """Its entries in order, in the columns kind and value."""
        rows = [*(("id", value) for value in sorted(self.ids)), *(("author", value) for value in sorted(self.authors))]
        return pl.DataFrame(rows, schema={"kind": pl.String, "value": pl.String}, orient="row")

    def mask(self, frame: pl.DataFrame) -> pl.Series:
        """Which rows of comments and submissions are taken down, as Boolean without null.

        Args:
            frame: with the columns id (without prefix), parent_kind ("none" marks a submission) and author.
        """
        if not len(self):
            return pl.repeat(False, frame.height, dtype=pl.Boolean, eager=True)
        submission = pl.col("parent_kind").eq_missing("none")
        taken = (
            (pl.col("id").is_in(self._ids_among(frame["id"], _COMMENT)) & ~submission)
            | (pl.col("id").is_in(self._ids_among(frame["id"], _SUBMISSION)) & submission)
            | pl.col("author").is_in(self.names_among(frame["author"]))
        )
        return frame.select(taken.fill_null(False).alias("taken_down")).to_series()

    def names_among(self, authors: pl.Series) -> list[str]:
        """The distinct names among ``authors`` whose hash is in the ledger."""
        if not self.authors:
            return []
        return [name for name in authors.unique().drop_nulls() if author_hash(name) in self.authors]

    def _ids_among(self, ids: pl.Series, prefix: str) -> list[str]:
        """The distinct ones among ``ids`` that are in the ledger with ``prefix``: in the time of ``ids``, however long it is."""
        bare = self._bare_ids[prefix]
        return list(bare.intersection(ids.to_list())) if bare else []

    @cached_property
    def _bare_ids(self) -> dict[str, frozenset[str]]:
        return {
            prefix: frozenset(value.removeprefix(prefix) for value in self.ids if value.startswith(prefix))
            for prefix in (_COMMENT, _SUBMISSION)
        }


def _full_id(value: str, place: Place) -> str:
    match = _ID.fullmatch(value)
    if match is None:
        raise InputError(f"{place}: {value!r} is no id; write t1_ID for a comment, t3_ID for a submission")
    return (match["kind"] or _COMMENT) + match["id"]


def _checked_hash(value: str, place: Place) -> str:
    # What is no hash may be a name, which must not come into a log.
    if not _HASH.fullmatch(value.lower()):
        raise InputError(
            f"{place}: an author is not a SHA-256 of 64 hexadecimal digits, and a ledger holds no names; "
            "`threadmill ledger FILE --author NAME` writes the hash of one"
        )
    if value.lower() == _NOBODY:
        raise InputError(f"{place}: this is the hash of [deleted], the name of all whose name is gone; take the line out")
    return value.lower()
