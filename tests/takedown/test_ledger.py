import hashlib
import json
from pathlib import Path

import polars as pl
import pytest

from threadmill.errors import InputError
from threadmill.takedown.ledger import Ledger, author_hash

SPEZ = hashlib.sha256(b"spez").hexdigest()
ROWS = [("id", "t1_abc"), ("id", "t3_abd"), ("id", "xyz"), ("author", SPEZ)]


def csv_ledger(folder: Path, text: str) -> str:
    path = folder / "ledger.csv"
    path.write_text(text)
    return str(path)


def write(folder: Path, format: str) -> str:
    path = folder / f"ledger.{format}"
    frame = pl.DataFrame(ROWS, schema=["kind", "value"], orient="row")
    if format == "parquet":
        frame.write_parquet(path)
    elif format == "jsonl":
        path.write_text("".join(json.dumps({"kind": kind, "value": value}) + "\n\n" for kind, value in ROWS))
    else:
        frame.write_csv(path, include_bom=True)
    return str(path)


def comments(*rows: tuple[str | None, str | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(["id", "parent_kind", "author"], pl.String), orient="row")


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_every_format_gives_the_same_ledger(tmp_path: Path, format: str) -> None:
    ledger = Ledger.load(write(tmp_path, format))
    assert ledger.ids == {"t1_abc", "t3_abd", "t1_xyz"}
    assert ledger.authors == {SPEZ}
    assert len(ledger) == 4
    assert ledger.digest == Ledger.load(write(tmp_path, "csv")).digest
    assert ledger.as_input().name == "takedown"


def test_ids_tell_comments_from_submissions_and_authors_are_equal_in_any_case(tmp_path: Path) -> None:
    ledger = Ledger.load(write(tmp_path, "csv"))
    frame = comments(
        ("abc", "submission", "x"),
        ("abc", "none", "x"),  # a submission of a comment's id
        ("abd", "comment", "x"),
        ("abd", "none", None),
        ("xyz", "comment", None),
        ("1", "comment", "sPeZ"),
        ("2", "none", "spez"),
        ("3", "comment", "spez_"),
        ("4", "comment", None),
        (None, None, None),
    )
    found = ledger.mask(frame)
    assert found.dtype == pl.Boolean
    assert found.to_list() == [True, False, False, True, True, True, True, False, False, False]


@pytest.mark.parametrize("ledger", [Ledger(), Ledger(ids=frozenset({"t1_a"})), Ledger(authors=frozenset({SPEZ}))])
def test_a_ledger_may_lack_either_kind_and_a_frame_all_rows(ledger: Ledger) -> None:
    assert ledger.mask(comments()).to_list() == []
    assert ledger.mask(comments(("b", "comment", "x"), ("c", "none", None))).to_list() == [False, False]


def test_the_digest_is_of_the_entries_not_of_their_order_or_number(tmp_path: Path) -> None:
    one = Ledger.load(csv_ledger(tmp_path, f"kind,value\nid,t1_a\nid,b\nauthor,{SPEZ}\n"))
    same = Ledger.load(csv_ledger(tmp_path, f"value,kind,asked\n{SPEZ.upper()},author,2020\nb,id,\nt1_b,id,\na,id,2021\n"))
    assert one.digest == same.digest
    other = Ledger.load(csv_ledger(tmp_path, f"kind,value\nid,t1_a\nid,t3_b\nauthor,{SPEZ}\n"))
    assert one.digest != other.digest
    assert len(Ledger.load("")) == 0
    assert Ledger.load("").digest != one.digest


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("kind,value\nid,a\nauthor,spez\n", "line 3", "no names"),
        (f"kind,value\nauthor,{SPEZ[:-1]}\n", "line 2", "64 hexadecimal digits"),
        (f"kind,value\nauthor,{author_hash('[deleted]')}\n", "line 2", r"\[deleted\]"),
        ("kind,value\nid,t2_abc\n", "line 2", "'t2_abc' is no id"),
        ("kind,value\nid,A b\n", "line 2", "is no id"),
        ("kind,value\nuser,a\n", "line 2", "kind is 'user'"),
        ("kind,value\nid\n", "line 2", "no kind and value"),
        ("id,t1_a\n", "", "no column kind and value"),
        ("", "", "no column kind and value"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line(tmp_path: Path, text: str, place: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"ledger\.csv.*{place}.*{words}"):
        Ledger.load(csv_ledger(tmp_path, text))


def test_a_name_in_the_ledger_does_not_come_into_the_message(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        Ledger.load(csv_ledger(tmp_path, "kind,value\nauthor,JaneDoe\n"))
    assert "JaneDoe" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("l.jsonl", b'{"kind": "id", "value": "a"}\n[1]\n', "line 2: it is no JSON object"),
        ("l.jsonl", b'{"kind": "id"}\n', "line 1: it has no kind and value"),
        ("l.ndjson", b"{\n", "line 1: it is no JSON object"),
        ("l.csv", b"kind,value\nid,a\n\xff,b\n", "line 3: it is not UTF-8"),
        ("l.parquet", b"PAR1", "is no Parquet file"),
        ("l.txt", b"id,a", "no known format"),
    ],
)
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        Ledger.load(str(tmp_path / name))


def test_a_ledger_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="is no file"):
            Ledger.load(str(missing))
