import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from threadmill.corpora.reddit.config import IngestConfig
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError

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
    second = dump(tmp_path / "RC_2006-02.ndjson", [b"\xff", comment("d")])
    manifest = ingest(tmp_path / "comments", first, second)
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
    ingest(tmp_path / "comments", *sources)
    assert rows_of(tmp_path / "comments")["id"].to_list() == ["a", "b"]


def test_statistics_say_what_later_stages_ask(tmp_path: Path) -> None:
    lines = [comment("a", body="é"), comment("b", body="[deleted]"), comment("c", body="[removed]", created_utc=1_134_365_188)]
    manifest = ingest(tmp_path / "comments", dump(tmp_path / "a.ndjson", lines[:2]), dump(tmp_path / "b.ndjson", lines[2:]))
    assert manifest.statistics == {
        "months": {"2005-12": 1, "2006-01": 2},
        "removals": {"author": 1, "moderator": 1},
        "body_bytes": 2 + 9 + 9,
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
        (b"id,body\n1,text\n", r"none of the 2 lines .*malformed JSON: 2.*name a file of Reddit comments"),
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
    lines = [comment(f"c{number}", body="€" * number) for number in range(50)] + [b"bad"]
    content = Path(dump(tmp_path / "plain.ndjson", lines)).read_bytes()
    framed = b"".join(zstandard.compress(content[start : start + 100]) for start in range(0, len(content), 100))
    for name, data in {"plain": content, "framed": framed}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "RC_2006-01").write_bytes(data)
        ingest(tmp_path / name / "comments", str(tmp_path / name / "RC_2006-01"))
    shards = [Dataset.open(str(tmp_path / name / "comments")).manifest.shards for name in ("plain", "framed")]
    assert shards[0] == shards[1]


@pytest.mark.parametrize(
    ("name", "lines"),
    [("RC_2005-12.zst", 1075), ("RC_2008-01_first1000.ndjson", 1000), ("pushshift_importer_test_comments.ndjson", 27)],
)
def test_every_line_of_the_real_dumps_is_a_comment(tmp_path: Path, name: str, lines: int) -> None:
    real = REAL / name
    source = str(real) if real.exists() else dump(tmp_path / name, [comment(f"c{number}") for number in range(lines)])
    manifest = ingest(tmp_path / "comments", source)
    assert (manifest.counters.read, manifest.counters.kept, manifest.records) == (lines, lines, lines)
    rows = rows_of(tmp_path / "comments")
    assert rows.select(pl.col("id", "thread_id", "parent_id", "body", "created_utc").null_count()).row(0) == (0,) * 5
    assert not rows["thread_id"].str.contains("_").any()
