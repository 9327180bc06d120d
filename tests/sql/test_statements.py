"""Every statement of sql/ by GoogleSQL's reference evaluator and by DuckDB: equal rows."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.sql.evaluator import Columns, Row, evaluate, keep_compiled_code
from tests.sql.table_rows import JUDGED, TABLE_ROWS, judged_rows, table_rows
from threadmill.conversations.config import SPLIT_RULES, ThreadsConfig
from threadmill.corpora.reddit.comments import TOMBSTONES
from threadmill.takedown.entries import Entry, Place
from threadmill.takedown.ledger import Ledger, author_hash
from threadmill.warehouse.duckdb import DuckDBWarehouse
from threadmill.warehouse.statements import googlesql, statement_path

Table = tuple[Columns, Sequence[Row]]

COMMENTS: Columns = {
    **dict.fromkeys(["id", "parent_id", "parent_kind", "thread_id", "subreddit", "author", "body"], "STRING"),
    "score": "INT64",
    "created_utc": "TIMESTAMP",
    "is_submitter": "BOOL",
    "distinguished": "STRING",
    "removal": "STRING",
    "month": "STRING",
    "source_row": "INT64",
    "part": "INT64",
}
DUPLICATES: Columns = {"thread_id": "STRING", "id": "STRING", "is_submission": "BOOL", "place": "INT64"}
LEDGER: Columns = {"kind": "STRING", "value": "STRING"}
EXAMPLES: Columns = {"thread_id": "STRING", "example_id": "STRING", "content": "INT64"}
TAKEN_DOWN: Columns = {"source_row": "INT64", "part": "INT64"}
PLACED: Columns = {"id": "STRING", "place": "INT64", "part": "INT64"}
SIGNATURES: Columns = {
    "example_id": "STRING",
    **dict.fromkeys(["created_utc", "place", "exact_key"], "INT64"),
    "band_keys": "ARRAY<INT64>",
    "part": "INT64",
}
SIGNATURE_KEYS: Columns = {
    "example_id": "STRING",
    **dict.fromkeys(["part", "place", "created_utc", "key"], "INT64"),
    "is_exact": "BOOL",
}
POLARS = {
    "STRING": pl.String,
    "INT64": pl.Int64,
    "BOOL": pl.Boolean,
    "TIMESTAMP": pl.Datetime("us", "UTC"),
    "ARRAY<INT64>": pl.List(pl.Int64),
}


@dataclass(frozen=True)
class Case:
    """A statement, the tables it reads, and its parameters' types and values."""

    statement: str
    tables: Mapping[str, Table]
    parameters: Mapping[str, tuple[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def evaluator() -> None:
    keep_compiled_code()


def made_comments(count: int, parts: int = 2) -> list[dict[str, Any]]:
    """Rows with duplicates, nulls and ties, whose ids and texts hold what engines may order or count differently."""
    draw = random.Random(11)
    rows = []
    for number in range(count):
        text, removal = draw.choice([("héllo 😀", None), ("", None), ("A b", None), *TOMBSTONES.items()])
        created = datetime(2006, 1, 30, 12, tzinfo=UTC) + timedelta(days=draw.randrange(4), microseconds=draw.choice([0, 1]))
        row = {
            "id": draw.choice(["a", "b", "c", "10", "9", "z"]),
            "parent_id": draw.choice(["a", "gone"]),
            "parent_kind": draw.choice(["comment", "submission", "none"]),
            "thread_id": f"t{draw.randrange(12):x}",
            "subreddit": draw.choice([None, "Ünï", "s"]),
            "author": draw.choice([None, "it's"]),
            "body": text,
            "score": draw.choice([None, -5, 0, 2**62]),
            "created_utc": created,
            "is_submitter": draw.choice([None, True, False]),
            "distinguished": draw.choice([None, "admin"]),
            "removal": removal,
            "month": created.strftime("%Y-%m"),
            "source_row": number // parts + (draw.choice([0, 1]) << 40),
            "part": number % parts,
        }
        rows.append(row)
    return rows


def spoilt_comments() -> list[dict[str, Any]]:
    """Rows with nulls where none should be."""
    rows = made_comments(20)
    for index, name in enumerate(["id", "thread_id", "created_utc", "body", "author", "subreddit", "month", "removal"]):
        rows[index] = {**rows[index], name: None}
    return rows


def duplicates_of(rows: Sequence[Row], prefer_original: bool) -> Table:
    """What duplicate_comments.sql is to find, in plain Python."""
    copies: dict[tuple[str, str, bool], list[tuple[bool, int]]] = {}
    for row in rows:
        original = prefer_original and row["removal"] is None
        key = row["thread_id"], row["id"], row["parent_kind"] == "none"
        copies.setdefault(key, []).append((original, (row["part"] << 53) + row["source_row"]))
    found = [
        {"thread_id": thread, "id": identity, "is_submission": submission, "place": max(places)[1]}
        for (thread, identity, submission), places in copies.items()
        if len(places) > 1
    ]
    return DUPLICATES, found


def ledger_of(*ids: str, authors: Sequence[str] = ()) -> Table:
    rows = [{"kind": "id", "value": value} for value in ids]
    return LEDGER, rows + [{"kind": "author", "value": author_hash(name)} for name in authors]


def with_submissions(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows in places of their own, some of them submissions or without a kind, by authors of any case."""
    kinds, authors = ["none", "comment", "submission", None], ["it's", "IT'S", "other", None, "Ünï"]
    return [
        {**row, "source_row": number, "parent_kind": kinds[number % 4], "author": authors[number % 5]}
        for number, row in enumerate(rows)
    ]


def taken_down_of(rows: Sequence[Row], ledger: Table) -> Table:
    """What taken_down.sql is to find, by the ledger's own mask."""
    entries = [(Place("ledger", 1), Entry(row["kind"], row["value"])) for row in ledger[1]]
    taken = Ledger.of(entries).mask(pl.DataFrame(rows, schema_overrides={"score": pl.Int64}))
    found = [row for row, gone in zip(rows, taken, strict=True) if gone]
    return TAKEN_DOWN, [{name: row[name] for name in TAKEN_DOWN} for row in found]


def made_signatures(count: int, parts: int = 3) -> list[dict[str, Any]]:
    """Signatures of which many share keys, with ties of time; some examples are in two parts."""
    draw = random.Random(5)
    rows = []
    for number in range(count):
        row = {
            "example_id": f"{draw.choice(['', 'a', 'Z', '10', '9'])}{number}",
            "created_utc": 1_136_073_600 + draw.randrange(6),
            "place": number // parts,
            "exact_key": draw.choice([-(2**63), 5, 2**62, number]),
            "band_keys": [100 * band + draw.randrange(count) for band in range(draw.choice([0, 3]))],
            "part": number % parts,
        }
        rows.append(row)
        if number % 7 == 0:
            rows.append({**row, "part": parts})
    return rows


def keys_of(signatures: Sequence[Row]) -> list[dict[str, Any]]:
    """What signature_keys.sql is to find."""
    return [
        {**{name: row[name] for name in ("part", "place", "example_id", "created_utc")}, "key": key, "is_exact": not number}
        for row in signatures
        for number, key in enumerate([row["exact_key"], *row["band_keys"]])
    ]


def shared_of(keys: Sequence[Row]) -> Table:
    """What shared_keys.sql is to find."""
    times: dict[int, list[int]] = {}
    for row in keys:
        times.setdefault(row["key"], []).append(row["created_utc"])
    rows = [{"key": key, "first_time": min(found)} for key, found in times.items() if len(found) > 1]
    return {"key": "INT64", "first_time": "INT64"}, rows


def examples_of_shared(keys: Sequence[Row]) -> Table:
    """What examples_of_shared_keys.sql is to find."""
    firsts = {row["key"]: row["first_time"] for row in shared_of(keys)[1]}
    columns = {**dict.fromkeys(["part", "place", "key"], "INT64"), "example_id": "STRING"}
    rows = [{**row, "at_first_time": firsts.get(row["key"]) == row["created_utc"]} for row in keys if row["key"] in firsts]
    return {**columns, "is_exact": "BOOL", "at_first_time": "BOOL"}, [
        row for row in rows if row["part"] == 0 or row["at_first_time"]
    ]


def examples_of(numbers: Iterable[int], *changed: int) -> Table:
    rows = [{"thread_id": f"t{number % 3}", "example_id": f"c{number}", "content": -(number in changed)} for number in numbers]
    return EXAMPLES, rows


def threads_parameters(config: ThreadsConfig, shards: tuple[int, int, int]) -> dict[str, tuple[str, Any]]:
    rule, train = SPLIT_RULES[config.split_rule], config.fraction("train")
    numbers = {
        "split_digit": rule.first_digit,
        "split_digits": rule.digits,
        "train_edge": rule.edge(train),
        "validation_edge": rule.edge(train + config.fraction("validation")),
        **dict(zip(["train_shards", "validation_shards", "test_shards"], shards, strict=True)),
    }
    return {**{name: ("INT64", value) for name, value in numbers.items()}, "month": ("STRING", config.month)}


ROWS = made_comments(90)
POLYAI = ThreadsConfig(train_split=0.5, validation_split=0.0, test_split=0.5, split_rule="polyai", month="2006-02")
SIGNED = made_signatures(80)
KEYS = keys_of(SIGNED)
PLACES = [
    {"id": f"é{place}", "place": place, "part": 0}
    for place in (65537, 9, (1 << 40) + 5, 65535, 0, 65536, 7, 1 << 40, 131072, (1 << 40) + 4)
]
ALL_ROWS = with_submissions(ROWS)
NAMED = ledger_of("t1_a", "t3_b", "t1_gone", authors=["it's"])
EVEN = ThreadsConfig(train_split=0.4, validation_split=0.3, test_split=0.3)
CASES = {
    "judged_rows": Case(
        "judged_rows", {"table_rows": (TABLE_ROWS, table_rows())}, {"month": ("STRING", "2015-05"), "first_row": ("INT64", 7)}
    ),
    "judged_rows of any month": Case(
        "judged_rows", {"table_rows": (TABLE_ROWS, table_rows())}, {"month": ("STRING", ""), "first_row": ("INT64", 1 << 40)}
    ),
    "comments_from_table": Case("comments_from_table", {"judged": (JUDGED, judged_rows())}, {}),
    "unusable_rows": Case("unusable_rows", {"judged": (JUDGED, judged_rows())}, {}),
    "rows_in_shards": Case("rows_in_shards", {"placed_rows": (PLACED, PLACES)}, {"shard_rows": ("INT64", 3)}),
    "comment_measures": Case("comment_measures", {"comments": (COMMENTS, spoilt_comments())}, {"month": ("STRING", "2006-02")}),
    "comment_measures of any month": Case("comment_measures", {"comments": (COMMENTS, ROWS)}, {"month": ("STRING", "")}),
    "comment_measures of nothing": Case("comment_measures", {"comments": (COMMENTS, [])}, {"month": ("STRING", "2006-02")}),
    "comment_days": Case("comment_days", {"comments": (COMMENTS, spoilt_comments())}, {}),
    "duplicate_comments": Case("duplicate_comments", {"comments": (COMMENTS, ROWS)}, {"prefer_original": ("BOOL", True)}),
    "duplicate_comments, the last": Case(
        "duplicate_comments", {"comments": (COMMENTS, ROWS)}, {"prefer_original": ("BOOL", False)}
    ),
    "count_duplicates": Case("count_duplicates", {"comments": (COMMENTS, ROWS), "duplicates": duplicates_of(ROWS, True)}, {}),
    "count_duplicates of none": Case("count_duplicates", {"comments": (COMMENTS, ROWS[:1]), "duplicates": (DUPLICATES, [])}, {}),
    "taken_down": Case("taken_down", {"all_comments": (COMMENTS, ALL_ROWS), "ledger": NAMED}, {}),
    "taken_down by ids alone": Case("taken_down", {"all_comments": (COMMENTS, ALL_ROWS), "ledger": ledger_of("t3_z")}, {}),
    "count_taken_down": Case("count_taken_down", {"taken_down": taken_down_of(ALL_ROWS, NAMED)}, {}),
    "count_taken_down of none": Case("count_taken_down", {"taken_down": (TAKEN_DOWN, [])}, {}),
    "remaining_comments": Case(
        "remaining_comments", {"all_comments": (COMMENTS, ALL_ROWS), "taken_down": taken_down_of(ALL_ROWS, NAMED)}, {}
    ),
    "signature_keys": Case("signature_keys", {"signatures": (SIGNATURES, SIGNED)}, {}),
    "shared_keys": Case("shared_keys", {"signature_keys": (SIGNATURE_KEYS, KEYS)}, {}),
    "examples_of_shared_keys": Case(
        "examples_of_shared_keys", {"signature_keys": (SIGNATURE_KEYS, KEYS), "shared_keys": shared_of(KEYS)}, {}
    ),
    "duplicate_examples": Case("duplicate_examples", {"examples_of_shared_keys": examples_of_shared(KEYS)}, {}),
    "cross_split_duplicates": Case("cross_split_duplicates", {"signature_keys": (SIGNATURE_KEYS, KEYS)}, {}),
    "cross_split_duplicates of none": Case("cross_split_duplicates", {"signature_keys": (SIGNATURE_KEYS, [])}, {}),
    "example_differences": Case(
        "example_differences", {"examples_before": examples_of(range(0, 9)), "examples_after": examples_of(range(5, 20), 7)}, {}
    ),
    "example_differences of nothing in common": Case(
        "example_differences", {"examples_before": examples_of([]), "examples_after": examples_of([3, 1])}, {}
    ),
    "threads": Case(
        "threads",
        {"comments": (COMMENTS, ROWS), "duplicates": duplicates_of(ROWS, True)},
        threads_parameters(EVEN, (3, 2, 1)),
    ),
    "threads by the reference's rule": Case(
        "threads",
        {"comments": (COMMENTS, ROWS), "duplicates": duplicates_of(ROWS, False)},
        threads_parameters(POLYAI, (1, 1, 4)),
    ),
}


def duckdb_rows(case: Case, folder: Path) -> list[dict[str, Any]]:
    with DuckDBWarehouse("300MB", 2, str(folder)) as warehouse:
        for name, (columns, rows) in case.tables.items():
            parts = sorted({row.get("part", 0) for row in rows}) or [0]
            for part in parts:
                schema = {column: POLARS[kind] for column, kind in columns.items()}
                frame = pl.DataFrame([row for row in rows if row.get("part", 0) == part], schema=schema)
                frame.drop("part", strict=False).write_parquet(folder / f"{name}{part}.parquet")
            warehouse.load(name, *([str(folder / f"{name}{part}.parquet")] for part in parts))
        values = {name: value for name, (_, value) in case.parameters.items()}
        found: list[dict[str, Any]] = warehouse.query(case.statement, values).to_pylist()
        return found


@pytest.mark.parametrize("name", CASES)
def test_both_engines_give_equal_rows(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    wanted = evaluate(googlesql(case.statement), case.tables, case.parameters)
    found = duckdb_rows(case, tmp_path)
    assert wanted
    assert [list(row) for row in found] == [list(row) for row in wanted]  # the columns' order
    if "\nORDER BY" not in googlesql(case.statement):  # of the statement itself
        wanted, found = (sorted(rows, key=repr) for rows in (wanted, found))
    assert found == wanted


def test_every_statement_has_a_case() -> None:
    statements = {path.stem for path in statement_path("threads").parent.glob("*.sql")}
    assert statements == {case.statement for case in CASES.values()}


@pytest.mark.parametrize("prefer_original", [True, False])
def test_duplicates_are_those_of_the_rule(tmp_path: Path, prefer_original: bool) -> None:
    case = Case("duplicate_comments", {"comments": (COMMENTS, ROWS)}, {"prefer_original": ("BOOL", prefer_original)})
    _, wanted = duplicates_of(ROWS, prefer_original)
    assert len(wanted) > 20
    assert sorted(duckdb_rows(case, tmp_path), key=repr) == sorted(wanted, key=repr)


def test_rows_of_tables_are_numbered_as_one_sort_of_all_of_them_would(tmp_path: Path) -> None:
    draw = random.Random(3)
    times = [None, "", "yesterday", "1899-12-31 23:59:59+00", "1969-12-31 23:59:01+00", "0", "59", "60", "119.5", "1430438400"]
    times += [str(1_430_438_400 + draw.randrange(200)) for _ in range(30)]
    seconds: dict[str | None, float | None] = {
        time: float(time) // 1 if time and re.fullmatch(r"[0-9.]+", time) else None for time in times
    }
    seconds |= {"1899-12-31 23:59:59+00": -2_208_988_801, "1969-12-31 23:59:01+00": -59}
    rows = [{**table_rows()[0], "created_utc": draw.choice(times), "id": f"{number:x}"} for number in range(200)]
    draw.shuffle(rows)
    any_month = {"month": ("STRING", ""), "first_row": ("INT64", 0)}
    case = Case("judged_rows", {"table_rows": (TABLE_ROWS, rows)}, any_month)
    found = sorted(duckdb_rows(case, tmp_path), key=lambda row: int(row["row_number"]))
    wanted = sorted(rows, key=lambda row: (seconds[row["created_utc"]] or 0, row["id"]))
    wanted.sort(key=lambda row: (seconds[row["created_utc"]] is not None, seconds[row["created_utc"]] or 0))
    assert [row["row_number"] for row in found] == [row["source_row"] for row in found] == list(range(1, 201))
    assert [row["id"] for row in found] == [row["id"] for row in wanted]


def test_rows_are_in_shards_in_the_order_of_their_places(tmp_path: Path) -> None:
    found = sorted(duckdb_rows(CASES["rows_in_shards"], tmp_path), key=lambda row: int(row["position"]))
    assert [row["position"] for row in found] == list(range(10))
    assert [row["place"] for row in found] == sorted(int(row["place"]) for row in PLACES)
    assert [row["shard"] for row in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]


def test_taken_down_are_those_that_the_ledger_masks(tmp_path: Path) -> None:
    _, wanted = taken_down_of(ALL_ROWS, NAMED)
    assert 30 < len(wanted) < 60
    found = duckdb_rows(CASES["taken_down"], tmp_path)
    assert sorted(found, key=repr) == sorted(({"part": row["part"], "source_row": row["source_row"]} for row in wanted), key=repr)


def test_the_keys_are_those_of_the_signatures(tmp_path: Path) -> None:
    assert sorted(duckdb_rows(CASES["signature_keys"], tmp_path), key=repr) == sorted(KEYS, key=repr)


def test_an_example_goes_when_an_earlier_one_of_any_part_has_one_of_its_keys(tmp_path: Path) -> None:
    wanted = {}
    for row in KEYS:
        earlier = [other for other in KEYS if other["key"] == row["key"] and in_time(other) < in_time(row)]
        if row["part"] == 0 and earlier:
            wanted[row["place"]] = wanted.get(row["place"], False) or row["is_exact"]
    assert 10 < len(wanted) < 27
    assert len(set(wanted.values())) == 2
    found = duckdb_rows(CASES["duplicate_examples"], tmp_path)
    assert found == [{"place": place, "is_exact": is_exact} for place, is_exact in sorted(wanted.items())]


def in_time(row: Row) -> tuple[int, str]:
    return row["created_utc"], row["example_id"]
