"""Rows of texts, as any source gives them, to rows of the table of comments, or to the reason why not.

Ids come in five forms, told apart row by row, so that the result does not depend on how a source is cut:

- ``t1_c0abc``, ``t3_17863``: the prefix tells the kind.
- ``c0abc``: without a prefix; a parent that equals the link is the submission, any other a comment.
- ``33287847232.0``: the base-10 number of a base-36 id. Sources with types (JSON, Parquet) hand a number over in this form.
- ``33287847232`` beside a link with a prefix: a parent in base 10, as in extracts of Pushshift's API. A source that kept the
  link's prefix would have kept the parent's.
- all digits in CSV, where nothing else tells: eight or more are base 10, as no id of Reddit has more than seven characters;
  fewer are an id as it is beside a link or a parent that is plainly one, and else ambiguous, which is a fault.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl

from threadmill.corpora.reddit.comments import EARLIEST, LATEST, REMOVERS, SCHEMA, TOMBSTONES

RAW = (
    "id",
    "parent_id",
    "link_id",
    "subreddit",
    "author",
    "body",
    "title",
    "selftext",
    "score",
    "created_utc",
    "is_submitter",
    "distinguished",
    "removal_type",
)
_ID = r"^[0-9a-z]{1,13}$"
_PREFIX = r"^t[0-9]_"
_PREFIXED = r"^t[0-9]_[0-9a-z]{1,13}$"
_BASE_10 = r"^[0-9]{1,18}\.0$"
_DIGITS = r"^[0-9]{1,18}$"
_NO_PARENT = ["", "null", "NULL", "None", "NaN", "nan"]  # as CSV writers spell it
_SHOWN = {  # the column that shows the fault
    "malformed id": "id",
    "malformed link_id": "link_id",
    "malformed parent_id": "parent_id",
    "ambiguous ids": "link_id",
    "absurd time": "created_utc",
    "wrong month": "month",
}
_REFINED = sorted(set(REMOVERS.values()))


def missing_columns(names: Collection[str]) -> list[str]:
    """The columns without which a table holds neither comments nor submissions; none where it can hold either."""
    both = [name for name in ("id", "created_utc") if name not in names]
    of_comments = [name for name in ("link_id", "body") if name not in names]
    return both + (of_comments if "title" not in names else [])


@dataclass(frozen=True)
class Fault:
    """Why a row is no comment: its index, the reason, and what shows it."""

    row: int
    reason: str
    detail: str


def comments_of(
    raw: pl.DataFrame, source_rows: pl.Series, month: str = "", typed: bool = True
) -> tuple[pl.DataFrame, list[Fault]]:
    """The comments and submissions among rows of texts.

    Args:
        raw: columns of `RAW`, all text; those that are missing count as null.
        source_rows: int64, for each row.
        month: where given (YYYY-MM), rows of another month (UTC) are faults.
        typed: whether texts of digits are texts in the source; False for CSV, which cannot tell.

    Returns:
        The rows without fault in the schema of comments, in order; and the faults, in order.
    """
    absent = [pl.lit(None, pl.String).alias(name) for name in RAW if name not in raw.columns]
    rows = raw.with_columns(*absent).with_columns(_seconds().alias("seconds"), **_told_apart(typed))
    rows = rows.with_columns(
        source_row=source_rows,
        submission=pl.col("body").is_null() & pl.col("title").is_not_null(),
        created=_time(pl.col("seconds")),
        link=pl.col("told_link").str.replace(_PREFIX, ""),
        parent=pl.col("told_parent").str.replace(_PREFIX, ""),
    ).with_columns(month=pl.col("created").dt.strftime("%Y-%m"))
    reasons = rows.select(pl.coalesce(pl.when(fault).then(pl.lit(name)) for name, fault in _faults(month).items())).to_series()
    good = rows if reasons.null_count() == rows.height else rows.filter(reasons.is_null())
    bad = reasons.is_not_null().arg_true()
    shown = {name: rows[name].gather(bad).to_list() for name in sorted(set(_SHOWN.values()))} if len(bad) else {}
    faults = [
        Fault(row, reason, str(shown[_SHOWN[reason]][index])[:60] if reason in _SHOWN else "")
        for index, (row, reason) in enumerate(zip(bad, reasons.gather(bad), strict=True))
    ]
    return _comments(good), faults


def _time(seconds: pl.Expr) -> pl.Expr:
    known = seconds.is_between(EARLIEST, LATEST, closed="left")
    return (pl.when(known).then(seconds) * 1_000_000).cast(pl.Datetime("us", "UTC"))


def _seconds() -> pl.Expr:
    """Whole seconds since 1970 of a number, or of a date with a time."""
    text = pl.col("created_utc").str.strip_chars()
    number = text.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False)
    plain = text.str.replace(r"( ?UTC|Z|\+00:?(00)?)$", "").str.replace("T", " ", literal=True)
    date = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False).dt.epoch("s")
    return pl.coalesce(text.cast(pl.Int64, strict=False), number, date)


def _told_apart(typed: bool) -> dict[str, pl.Expr]:
    """Parent and link with what is base 10 in base 36, the form of ids without a prefix."""
    link, parent = pl.col("link_id"), pl.col("parent_id")
    link_10, link_digits = _base_10(link, typed), link.str.contains(_DIGITS)
    beside = link.str.contains(_PREFIX) if typed else link.str.contains(_PREFIX) | link_10
    parent_10 = _base_10(parent, typed) | (parent.str.contains(_DIGITS) & beside)
    absent = parent.is_null() | parent.is_in(["", *([] if typed else _NO_PARENT)])
    undecided = pl.lit(False) if typed else link_digits & ~link_10 & (absent | parent.str.contains(_DIGITS)).fill_null(True)
    return {
        "told_link": _in_base_36(link, link_10),
        "told_parent": _in_base_36(pl.when(~absent).then(parent), parent_10),
        "undecided": undecided.fill_null(False),
    }


def _base_10(column: pl.Expr, typed: bool) -> pl.Expr:
    told = column.str.contains(_BASE_10)
    return told if typed else told | (column.str.contains(_DIGITS) & (column.str.len_bytes() > 7))


def _in_base_36(column: pl.Expr, chosen: pl.Expr) -> pl.Expr:
    def convert(texts: pl.Series) -> pl.Series:
        numbers = texts.str.replace(r"\.0$", "").cast(pl.Int64)
        return pl.Series([None if number is None else np.base_repr(number, 36).lower() for number in numbers], dtype=pl.String)

    chosen = chosen.fill_null(False)
    converted = pl.when(chosen).then(column).map_batches(convert, return_dtype=pl.String)
    return pl.when(chosen).then(converted).otherwise(column)


def _faults(month: str) -> dict[str, pl.Expr]:
    """By its name, each thing that can be wrong with a row, the most telling first."""
    comment, created = ~pl.col("submission"), pl.col("created")
    parent = pl.col("told_parent")
    faults = {
        "no id": pl.col("id").is_null(),
        "no link_id": comment & pl.col("link_id").is_null(),
        "no created_utc": pl.col("created_utc").is_null(),
        "no body": comment & pl.col("body").is_null(),
        "malformed id": ~pl.col("id").str.contains(_ID),
        "malformed link_id": comment & ~pl.col("link").str.contains(_ID),
        "malformed parent_id": comment & ~(parent.str.contains(_ID) | parent.str.contains(_PREFIXED)),
        "ambiguous ids": comment & pl.col("undecided"),
        "absurd time": created.is_null(),
    }
    return {**faults, "wrong month": pl.col("month") != month} if month else faults


def _comments(rows: pl.DataFrame) -> pl.DataFrame:
    submission, told = pl.col("submission"), pl.col("told_parent")
    of_comment = pl.when(told.str.starts_with("t1_")).then(True).otherwise(~told.str.contains(_PREFIX) & (told != pl.col("link")))
    kind = pl.when(submission).then(pl.lit("none")).when(of_comment).then(pl.lit("comment")).otherwise(pl.lit("submission"))
    removed = pl.when(submission).then("title").otherwise("body").replace_strict(TOMBSTONES, default=None, return_dtype=pl.String)
    remover = pl.col("removal_type").replace_strict(REMOVERS, default=None, return_dtype=pl.String)
    return rows.select(
        "id",
        pl.when(~submission).then(pl.coalesce("parent", "link")).alias("parent_id"),
        kind.alias("parent_kind"),
        pl.when(submission).then("id").otherwise("link").alias("thread_id"),
        "subreddit",
        "author",
        pl.when(submission).then(_title_and_text()).otherwise("body").alias("body"),
        _score().alias("score"),
        pl.col("created").alias("created_utc"),
        _boolean(pl.col("is_submitter")).alias("is_submitter"),
        "distinguished",
        pl.when(removed.is_in(_REFINED)).then(pl.coalesce(remover, removed)).otherwise(removed).alias("removal"),
        "month",
        "source_row",
    ).select(field.name for field in SCHEMA)


def _title_and_text() -> pl.Expr:
    """A submission's text: its title on one line, and its self-text where there is one."""
    title, text = pl.col("title"), pl.col("selftext")
    told = text.is_not_null() & (text != "") & ~text.is_in(list(TOMBSTONES)) & ~title.is_in(list(TOMBSTONES))
    line = title.str.replace_all(r"[\r\n]", " ")
    return pl.when(told).then(pl.concat_str(line, pl.lit("\n\n"), text)).otherwise(line)


def _score() -> pl.Expr:
    text = pl.col("score").str.strip_chars()
    return pl.coalesce(text.cast(pl.Int64, strict=False), text.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False))


def _boolean(column: pl.Expr) -> pl.Expr:
    return column.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
