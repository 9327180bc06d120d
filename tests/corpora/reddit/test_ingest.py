import bz2
import gzip
import json
import lzma
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from threadmill.corpora.reddit.config import IngestConfig
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.reddit.reading import parsed_blocks
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest
from threadmill.engine.local import run_task
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError
from threadmill.takedown.ledger import author_hash

REAL = Path(__file__).parents[3] / ".." / "shared" / "data" / "reddit"


def comment(identity: str, **changed: Any) -> dict[str, Any]:
    made = {"id": identity, "link_id": "t3_x", "parent_id": "t3_x", "body": "text", "author": "ann", "subreddit": "s"}
    return {**made, "created_utc": 1_136_073_600, **changed}


def dump(path: Path, lines: Sequence[dict[str, Any] | bytes]) -> str:
    content = b"".join((text if isinstance(text, bytes) else json.dumps(text).encode()) + b"\n" for text in lines)
    path.write_bytes(zstandard.compress(content) if path.suffix == ".zst" else content)
    return str(path)


def ingest(folder: Path, *sources: str, workers: int = 1, **config: Any) -> Manifest:
    return run_stage(IngestStage(sources, IngestConfig(**config)), str(folder), workers=workers)


def rows_of(folder: Path) -> pl.DataFrame:
    dataset = Dataset.open(str(folder))
    return pl.concat([pl.read_parquet(dataset.path(shard)) for shard in dataset.shards()])


def test_each_line_is_kept_or_lies_in_the_dead_letters_with_its_place(tmp_path: Path) -> None:
    first = dump(tmp_path / "RC_2006-01.zst", [comment("a"), b"no JSON", comment("b"), b"", comment("c", id=None)])
    second = dump(tmp_path / "RC_2006-02.ndjson", [b"\xff", comment("d", created_utc=1_138_752_000)])
    manifest = ingest(tmp_path / "comments", first, second, max_bad_fraction=0.7)
    assert manifest.counters.to_json() == {
        "read": 7,
        "kept": 3,
        "dropped": {"blank line": 1, "malformed JSON": 1, "no id": 1, "not UTF-8": 1},
        "written": 3,
    }
    letters = [
        json.loads(text)
        for entry in manifest.dead_letters
        for text in (tmp_path / "comments" / entry.name).read_text().splitlines()
    ]
    assert [(letter["file"], letter["line"], letter["reason"]) for letter in letters] == [
        ("RC_2006-01.zst", 2, "malformed JSON"),
        ("RC_2006-01.zst", 4, "blank line"),
        ("RC_2006-01.zst", 5, "no id"),
        ("RC_2006-02.ndjson", 1, "not UTF-8"),
    ]
    assert letters[0]["text"] == "no JSON"
    assert [entry.records for entry in manifest.dead_letters] == [3, 1]
    assert rows_of(tmp_path / "comments")["id"].to_list() == ["a", "b", "d"]
    assert verify(str(tmp_path / "comments")) == []


def test_a_clean_source_leaves_no_dead_letters(tmp_path: Path) -> None:
    manifest = ingest(tmp_path / "comments", dump(tmp_path / "RC_2006-01.zst", [comment("a")]))
    assert manifest.dead_letters == ()
    assert sorted(path.name for path in (tmp_path / "comments").iterdir()) == [
        "RC_2006-01-00000-of-00001.parquet",
        "manifest.json",
    ]


def test_shards_hold_as_many_rows_as_asked_in_the_order_of_the_source(tmp_path: Path) -> None:
    source = dump(tmp_path / "RC_2006-01.ndjson", [comment(f"c{number}") for number in range(10)])
    manifest = ingest(tmp_path / "comments", source, shard_rows=4)
    assert [(shard.name, shard.records) for shard in manifest.shards] == [
        ("RC_2006-01-00000-of-00003.parquet", 4),
        ("RC_2006-01-00001-of-00003.parquet", 4),
        ("RC_2006-01-00002-of-00003.parquet", 2),
    ]
    assert rows_of(tmp_path / "comments")["id"].to_list() == [f"c{number}" for number in range(10)]


def test_rows_tell_the_order_over_all_sources(tmp_path: Path) -> None:
    later = dump(tmp_path / "b.ndjson", [comment("a"), comment("b")])
    earlier = dump(tmp_path / "a.ndjson", [comment("c"), comment("d")])
    ingest(tmp_path / "comments", later, earlier)
    rows = rows_of(tmp_path / "comments").sort("source_row")
    assert rows["id"].to_list() == ["a", "b", "c", "d"]


def test_sources_of_the_same_name_do_not_collide(tmp_path: Path) -> None:
    for folder, identity in (("one", "a"), ("two", "b")):
        (tmp_path / folder).mkdir()
        dump(tmp_path / folder / "RC_2006-01.zst", [comment(identity)])
    sources = [str(tmp_path / folder / "RC_2006-01.zst") for folder in ("one", "two")]
    ingest(tmp_path / "comments", *sources, merge_dumps=True)
    assert rows_of(tmp_path / "comments")["id"].to_list() == ["a", "b"]


def test_statistics_say_what_later_stages_ask(tmp_path: Path) -> None:
    lines = [comment("a", body="é"), comment("b", body="[deleted]"), comment("c", body="[removed]", created_utc=1_134_365_188)]
    manifest = ingest(tmp_path / "comments", dump(tmp_path / "a.ndjson", lines[:2]), dump(tmp_path / "b.ndjson", lines[2:]))
    assert manifest.statistics == {
        "months": {"2005-12": 1, "2006-01": 2},
        "removals": {"author": 1, "moderator": 1},
        "body_bytes": 2 + 9 + 9,
        "lines": 3,
        "bad_lines": {"reasons": {}, "first": []},
    }


@pytest.mark.parametrize("whole", [0, 1, 2, 3, 6, 40, -1])
def test_a_truncated_source_leaves_no_dataset(tmp_path: Path, whole: int) -> None:
    source = tmp_path / "RC_2006-01.zst"
    dump(source, [comment(f"c{number}", body=f"text {number}") for number in range(2000)])
    source.write_bytes(source.read_bytes()[:whole])
    with pytest.raises(InputError, match=r"RC_2006-01\.zst") as caught:
        ingest(tmp_path / "comments", str(source), shard_rows=100)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "comments").exists()


def test_an_error_in_the_second_source_leaves_no_dataset(tmp_path: Path) -> None:
    good = dump(tmp_path / "a.ndjson", [comment("a")])
    bad = tmp_path / "b.zst"
    bad.write_bytes(zstandard.compress(b"x" * 1000)[:-3])
    with pytest.raises(InputError, match=r"b\.zst: truncated"):
        ingest(tmp_path / "comments", good, str(bad))
    assert not (tmp_path / "comments" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (zstandard.compress(b""), "holds no lines"),
        (b"\n\n", "none of the 2 lines"),
        (b"nothing\n1,text\n", r"none of the 2 lines .*malformed JSON: 2.*name a file of Reddit comments"),
    ],
)
def test_a_source_without_comments_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "source").write_bytes(content)
    with pytest.raises(InputError, match=message):
        ingest(tmp_path / "comments", str(tmp_path / "source"))
    assert not (tmp_path / "comments" / "manifest.json").exists()


def test_sources_that_cannot_be_are_told_before_anything_is_written(tmp_path: Path) -> None:
    source = dump(tmp_path / "a.ndjson", [comment("a")])
    dump(tmp_path / "copy.ndjson", [comment("a")])
    for sources, message in {
        (): "no source was named",
        (str(tmp_path),): "is a folder",
        (str(tmp_path / "none.zst"),): "does not exist",
        (source, source): "are the same, byte for byte",
        (source, str(tmp_path / "copy.ndjson")): "are the same, byte for byte",
    }.items():
        with pytest.raises(InputError, match=message):
            ingest(tmp_path / "comments", *sources)
        assert not (tmp_path / "comments").exists()


def test_shards_of_no_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="shard_rows"):
        IngestConfig(shard_rows=0)


def test_the_rows_do_not_depend_on_how_a_dump_is_compressed(tmp_path: Path) -> None:
    lines = [comment(f"c{number}", body="€" * number) for number in range(200)] + [b"bad"]
    content = Path(dump(tmp_path / "plain.ndjson", lines)).read_bytes()
    cut = [content[start : start + 1000] for start in range(0, len(content), 1000)]
    ways: dict[str, Callable[[bytes], bytes]] = {
        "zstd": zstandard.compress,
        "gzip": gzip.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
        "plain": bytes,
    }
    for name, compress in ways.items():
        data = b"".join(map(compress, cut))
        (tmp_path / name).mkdir()
        (tmp_path / name / "RC_2006-01").write_bytes(data)
        ingest(tmp_path / name / "comments", str(tmp_path / name / "RC_2006-01"))
    shards = [Dataset.open(str(tmp_path / name / "comments")).manifest.shards for name in ways]
    assert all(entries == shards[0] for entries in shards)


def numbered(count: int) -> list[dict[str, Any] | bytes]:
    return [comment(f"c{number}", body=f"text {number}") for number in range(count)]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".receipts") if folder.exists() else []


def test_bad_lines_of_all_sources_together_are_held_against_the_bound(tmp_path: Path) -> None:
    first = dump(tmp_path / "a.ndjson", [*numbered(50), b"bad", comment("x", id=None)])
    second = dump(tmp_path / "b.ndjson", [b"worse", *numbered(147)])
    with pytest.raises(InputError) as caught:
        ingest(tmp_path / "comments", first, second, max_bad_fraction=0.0149)
    assert str(caught.value) == (
        "3 of 200 lines (1.50%) hold no usable comment, more than the bound of 1.49% (malformed JSON: 2, no id: 1); "
        "the first are a.ndjson line 51 (malformed JSON), a.ndjson line 52 (no id), b.ndjson line 1 (malformed JSON); "
        "download the source again, or raise --max-bad-fraction to go on without these lines"
    )
    assert not (tmp_path / "comments" / "manifest.json").exists()
    manifest = ingest(tmp_path / "comments", first, second, max_bad_fraction=0.015)
    assert manifest.statistics["bad_lines"]["reasons"] == {"malformed JSON": 2, "no id": 1}


def test_one_bad_line_in_a_hundred_is_borne_unless_told_otherwise(tmp_path: Path) -> None:
    source = dump(tmp_path / "a.ndjson", [*numbered(99), b"bad"])
    assert ingest(tmp_path / "comments", source).counters.dropped == {"malformed JSON": 1}
    with pytest.raises(InputError, match=r"more than the bound of 0\.00%"):
        ingest(tmp_path / "strict", source, max_bad_fraction=0.0)


@pytest.mark.parametrize("compress", [zstandard.compress, gzip.compress, bz2.compress, lzma.compress])
def test_what_is_whole_of_a_cut_source_is_kept_when_asked(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in numbered(30) if isinstance(line, dict))
    half = lines[: len(lines) // 2]
    source = tmp_path / "RC_2006-01.zst"
    source.write_bytes(compress(half) + compress(lines[len(half) :])[:-9])
    with pytest.raises(InputError, match=r"RC_2006-01\.zst: truncated: .*the last whole line is \d+; .*--keep-partial"):
        ingest(tmp_path / "comments", str(source))
    assert left_in(tmp_path / "comments") == []
    manifest = ingest(tmp_path / "comments", str(source), keep_partial=True)
    assert manifest.partial
    assert manifest.counters.kept == manifest.counters.read >= half.count(b"\n")
    rows = rows_of(tmp_path / "comments")
    assert rows["body"].to_list() == [f"text {number}" for number in range(rows.height)]
    assert verify(str(tmp_path / "comments")) == []


def test_a_whole_source_is_not_partial_and_a_partial_one_marks_all(tmp_path: Path) -> None:
    whole = dump(tmp_path / "RC_2006-01.zst", numbered(10))
    assert not ingest(tmp_path / "whole", whole, keep_partial=True).partial
    cut = tmp_path / "RC_2006-01_part1.gz"
    cut.write_bytes(gzip.compress(json.dumps(comment("z")).encode() + b"\n{")[:-1])
    manifest = ingest(tmp_path / "both", whole, str(cut), keep_partial=True)
    assert manifest.partial
    assert manifest.counters.kept == 11


def test_a_source_of_which_no_line_is_whole_cannot_be_kept(tmp_path: Path) -> None:
    source = tmp_path / "RC_2006-01.zst"
    source.write_bytes(zstandard.compress(json.dumps(comment("a")).encode())[:-1])
    with pytest.raises(
        InputError, match=r"truncated: .*the last whole line is 0, so nothing of it can be kept; download it again"
    ):
        ingest(tmp_path / "comments", str(source), keep_partial=True)
    assert left_in(tmp_path / "comments") == []


def test_two_dumps_of_a_month_are_refused_unless_one_is_a_rescan(tmp_path: Path) -> None:
    (tmp_path / "rescan").mkdir()
    first = dump(tmp_path / "RC_2006-01.zst", [comment("a", body="[deleted]")])
    second = dump(tmp_path / "rescan" / "RC_2006-01.ndjson", [comment("a")])
    with pytest.raises(InputError) as caught:
        ingest(tmp_path / "comments", first, second)
    assert str(caught.value).startswith(f"{first} and {second} are two dumps of the same month; ")
    assert "--merge-dumps" in str(caught.value)
    assert ingest(tmp_path / "comments", first, second, merge_dumps=True).counters.kept == 2


def test_parts_of_a_month_and_its_submissions_are_no_second_dump(tmp_path: Path) -> None:
    names = ["RC_2006-01_part0.ndjson", "RC_2006-01_part1.ndjson", "RS_2006-01.ndjson", "RC_2005-12.ndjson"]
    sources = [
        dump(tmp_path / name, [comment(f"c{number}", created_utc=1_134_000_000 if "12" in name else 1_136_073_600)])
        for number, name in enumerate(names)
    ]
    assert ingest(tmp_path / "comments", *sources).counters.kept == 4


def test_comments_of_another_month_than_the_name_tells_are_bad_lines(tmp_path: Path) -> None:
    lines = [*numbered(99), comment("x", created_utc=1_134_000_000)]
    source = dump(tmp_path / "RC_2006-01.ndjson", lines)
    manifest = ingest(tmp_path / "comments", source)
    assert manifest.counters.dropped == {"wrong month": 1}
    with pytest.raises(InputError, match=r"holds no comment of 2009-07, but of 2005-12 to 2006-01; name the month's dump"):
        ingest(tmp_path / "other", source, source_month="2009-07")
    misnamed = dump(tmp_path / "RC_2009-07.ndjson", lines)
    with pytest.raises(InputError, match=r"holds no comment of 2009-07, but of 2005-12 to 2006-01; rename it, or give --source-"):
        ingest(tmp_path / "misnamed", misnamed)
    several = dump(tmp_path / "RC_2005-12_and_after.ndjson", lines)
    with pytest.raises(InputError, match=r"wrong month: 99\).*; give the source a name without a month if it holds several"):
        ingest(tmp_path / "several", several)
    nameless = dump(tmp_path / "comments.ndjson", lines)
    assert ingest(tmp_path / "nameless", nameless).counters.dropped == {}


def test_a_month_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="YYYY-MM"):
        IngestConfig(source_month="July")


def test_what_the_ledger_names_is_left_out_and_counted(tmp_path: Path) -> None:
    source = dump(tmp_path / "a.ndjson", [comment("a"), comment("b", author="Bob"), comment("c"), b"bad"])
    ledger = tmp_path / "ledger.csv"
    ledger.write_text(f"kind,value\nid,t1_a\nauthor,{author_hash('bob')}\n")
    stage = IngestStage((source,), IngestConfig(max_bad_fraction=1.0), str(ledger))
    manifest = run_stage(stage, str(tmp_path / "comments"), workers=1)
    assert manifest.counters.to_json() == {
        "read": 4,
        "kept": 1,
        "dropped": {"malformed JSON": 1, "taken_down": 2},
        "written": 1,
    }
    assert rows_of(tmp_path / "comments")["id"].to_list() == ["c"]
    assert [entry.name for entry in manifest.inputs] == ["a.ndjson", "takedown"]
    ledger.write_text("kind,value\nid,t1_a\n")
    assert run_stage(stage, str(tmp_path / "comments"), workers=1).counters.kept == 2  # another ledger, another dataset


def test_a_source_that_changed_after_it_was_planned_is_refused(tmp_path: Path) -> None:
    source = dump(tmp_path / "RC_2006-01.zst", numbered(10))
    stage = IngestStage((source,))
    (task,) = stage.plan().tasks
    dump(tmp_path / "RC_2006-01.zst", numbered(11))
    (tmp_path / "comments").mkdir()
    with pytest.raises(InputError, match=r"RC_2006-01\.zst changed while it was read; let its download or copy end"):
        run_task(stage, task, str(tmp_path / "comments"))
    assert left_in(tmp_path / "comments") == []


@pytest.mark.parametrize("way", ["appended", "replaced", "removed", "cut"])
def test_a_source_that_changes_while_it_is_read_is_refused(tmp_path: Path, way: str) -> None:
    path = tmp_path / "RC_2006-01.gz"
    content = b"".join(json.dumps(line).encode() + b"\n" for line in numbered(100_000) if isinstance(line, dict))
    path.write_bytes(gzip.compress(content, 1))  # over two blocks long
    pieces = parsed_blocks(str(path), 0, IngestConfig(keep_partial=True), lambda parsed: parsed)
    assert next(pieces).lines > 0
    if way == "appended":
        path.write_bytes(path.read_bytes() + gzip.compress(content))
    elif way == "replaced":
        (tmp_path / "new").write_bytes(path.read_bytes())
        os.replace(tmp_path / "new", path)
    elif way == "removed":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"RC_2006-01\.gz changed while it was read"):
        list(pieces)


@pytest.mark.parametrize(
    ("name", "lines"),
    [("RC_2005-12.zst", 1075), ("RC_2008-01_first1000.ndjson", 1000), ("pushshift_importer_test_comments.ndjson", 27)],
)
def test_every_line_of_the_real_dumps_is_a_comment(tmp_path: Path, name: str, lines: int) -> None:
    real = REAL / name
    source = (
        str(real) if real.exists() else dump(tmp_path / f"made{real.suffix}", [comment(f"c{number}") for number in range(lines)])
    )
    manifest = ingest(tmp_path / "comments", source)
    assert (manifest.counters.read, manifest.counters.kept, manifest.records) == (lines, lines, lines)
    rows = rows_of(tmp_path / "comments")
    assert rows.select(pl.col("id", "thread_id", "parent_id", "body", "created_utc").null_count()).row(0) == (0,) * 5
    assert not rows["thread_id"].str.contains("_").any()


def test_a_disk_without_room_is_one_line_and_leaves_no_dataset(tmp_path: Path) -> None:
    source = dump(tmp_path / "RC_2006-01.zst", [comment(f"c{number}", body=f"{number**5:x}" * 5) for number in range(5000)])
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); "
    command = [sys.executable, "-c", limited + "from threadmill.cli import main; sys.exit(main())"]
    output = tmp_path / "comments"
    done = subprocess.run([*command, "ingest", source, "--output", str(output)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rf"threadmill: error: {output}/\S+: File too large; check that it is there, .*has room\n", done.stderr)
    assert left_in(output) == []
