from fractions import Fraction
from hashlib import md5
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conversations.worlds import Raw, comment, make_comments
from threadmill.conversations.config import SPLITS, ThreadsConfig
from threadmill.conversations.threads import ThreadsStage
from threadmill.datasets.dataset import Dataset, split_of
from threadmill.datasets.manifest import Manifest, write_manifest
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError

FEBRUARY = 1_138_752_000


def make_threads(
    folder: Path, *comments: str, workers: int = 1, memory_limit: str = "300MB", allow_partial: bool = False, **config: Any
) -> Manifest:
    stage = ThreadsStage(comments, ThreadsConfig(**config), memory_limit)
    return run_stage(stage, str(folder), name="threads", workers=workers, allow_partial=allow_partial)


def rows_of(folder: Path, split: str | None = None) -> pl.DataFrame:
    dataset = Dataset.open(str(folder))
    frames = [pl.read_parquet(dataset.path(shard)).with_columns(shard=pl.lit(shard.name)) for shard in dataset.shards(split)]
    return pl.concat(frames)


def splits_of(folder: Path) -> dict[str, str]:
    """The split of each thread; fails where one is in two."""
    splits: dict[str, str] = {}
    for split in Dataset.open(str(folder)).splits():
        for thread in rows_of(folder, split)["thread_id"].unique():
            assert splits.setdefault(thread, split) == split
    return splits


def threads_of(count: int, comments: int = 1) -> list[Raw]:
    return [comment(f"c{number}", f"t3_t{thread}", f"t{thread}") for number in range(comments) for thread in range(count)]


def test_comments_lie_thread_by_thread_in_the_order_of_time(tmp_path: Path) -> None:
    raw = [
        comment("c", "t1_b", "x", created_utc=1_136_073_602),
        comment("a", "t3_y", "y", created_utc=1_136_073_601),
        comment("b", "t3_x", "x", created_utc=1_136_073_601),
        comment("d", "t1_a", "y", created_utc=1_136_073_601),
    ]
    make_threads(tmp_path / "threads", make_comments(tmp_path, raw[:2], raw[2:]), train_split=1, validation_split=0, test_split=0)
    rows = rows_of(tmp_path / "threads").filter(~pl.col("thread_id").str.starts_with("own"))
    in_order = sorted(("x", "y"), key=lambda thread: md5(thread.encode()).hexdigest()[15:26])
    ids = {"x": ["b", "c"], "y": ["a", "d"]}
    assert rows["thread_id"].to_list() == [thread for thread in in_order for _ in range(2)]
    assert rows["id"].to_list() == [name for thread in in_order for name in ids[thread]]


@pytest.mark.parametrize("split", SPLITS)
def test_a_split_of_one_takes_every_thread_and_the_others_have_no_shard(tmp_path: Path, split: str) -> None:
    config = {f"{name}_split": float(name == split) for name in SPLITS}
    manifest = make_threads(tmp_path / "threads", make_comments(tmp_path, threads_of(500)), **config)
    assert [shard.name for shard in manifest.shards] == [f"{split}-00000-of-00001.parquet"]
    assert manifest.shards[0].records == 501


def test_splits_are_the_fractions_of_the_md5(tmp_path: Path) -> None:
    make_threads(
        tmp_path / "threads", make_comments(tmp_path, threads_of(2000)), train_split=0.7, validation_split=0.2, test_split=0.1
    )
    found = splits_of(tmp_path / "threads")
    edges = {"train": Fraction(7, 10), "validation": Fraction(9, 10), "test": Fraction(1)}
    for thread, split in found.items():
        place = Fraction(int(md5(thread.encode()).hexdigest()[:15], 16), 16**15)
        assert split == next(name for name, edge in edges.items() if place < edge)
    assert [list(found.values()).count(split) for split in SPLITS] == pytest.approx([1400, 400, 200], abs=80)


def test_the_default_has_a_validation_split(tmp_path: Path) -> None:
    manifest = make_threads(tmp_path / "threads", make_comments(tmp_path, threads_of(400)))
    records = {split_of(shard): shard.records for shard in manifest.shards}
    assert list(records) == ["train", "validation", "test"]
    assert records["validation"] > 5


def test_there_are_as_many_shards_as_asked_and_the_split_does_not_depend_on_them(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, threads_of(300, 2))
    one = make_threads(tmp_path / "one", comments)
    many = make_threads(tmp_path / "many", comments, num_shards_train=7, num_shards_validation=2, num_shards_test=5)
    assert [len(Dataset.open(str(tmp_path / "many")).shards(split)) for split in SPLITS] == [7, 2, 5]
    assert [len(Dataset.open(str(tmp_path / "one")).shards(split)) for split in SPLITS] == [1, 1, 1]
    assert splits_of(tmp_path / "one") == splits_of(tmp_path / "many")
    assert one.counters == many.counters
    shards = rows_of(tmp_path / "many").group_by("thread_id").agg(pl.col("shard").n_unique())
    assert shards["shard"].to_list() == [1] * 301
    assert min(shard.records for shard in many.shards if split_of(shard) == "train") > 20


def test_more_shards_than_threads_are_written_all_the_same(tmp_path: Path) -> None:
    manifest = make_threads(tmp_path / "threads", make_comments(tmp_path, threads_of(2)), num_shards_test=30)
    assert len([shard for shard in manifest.shards if split_of(shard) == "test"]) == 30
    assert manifest.records == 3


def test_only_the_months_comments_are_new(tmp_path: Path) -> None:
    raw = [comment("a", "t3_t"), comment("b", "t1_a", created_utc=FEBRUARY), comment("c", "t1_b", created_utc=FEBRUARY - 1)]
    comments = make_comments(tmp_path, raw)
    make_threads(tmp_path / "february", comments, month="2006-02")
    make_threads(tmp_path / "any", comments)
    assert dict(rows_of(tmp_path / "february").select("id", "is_new").iter_rows()) == {
        "a": False,
        "b": True,
        "c": False,
        "own0": False,
    }
    assert rows_of(tmp_path / "any")["is_new"].all()


def test_a_month_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, [comment("a", "t3_t"), comment("b", "t1_a", created_utc=FEBRUARY)])
    with pytest.raises(InputError, match=r"no comment of 2007-03 in .*\(they hold 2006-01 to 2006-02\); name the month's dump"):
        make_threads(tmp_path / "threads", comments, month="2007-03")
    assert not (tmp_path / "threads").exists()


@pytest.mark.parametrize(
    ("prefer_original", "bodies", "expected"),
    [
        (True, ["first text", "second text"], "second text"),
        (True, ["first text", "[deleted]"], "first text"),
        (True, ["[deleted]", "[removed]"], "[removed]"),
        (True, ["first text", "[deleted]", "third text", "[ Removed by Reddit ]"], "third text"),
        (False, ["first text", "[deleted]"], "[deleted]"),
        (False, ["[deleted]", "second text"], "second text"),
    ],
)
@pytest.mark.parametrize("apart", ["lines", "sources", "datasets"])
def test_of_duplicates_one_stays_and_the_others_are_counted(
    tmp_path: Path, apart: str, prefer_original: bool, bodies: list[str], expected: str
) -> None:
    copies = [[comment("a", "t3_t", body=body)] for body in bodies]
    if apart == "lines":
        datasets = [make_comments(tmp_path, [row for copy in copies for row in copy])]
    elif apart == "sources":
        datasets = [make_comments(tmp_path, *copies)]
    else:  # each copy is line 1 of its dataset
        datasets = [make_comments(tmp_path / str(index), copy) for index, copy in enumerate(copies)]
    manifest = make_threads(tmp_path / "threads", *datasets, prefer_original=prefer_original)
    rows = rows_of(tmp_path / "threads")
    assert rows.filter(id="a")["body"].to_list() == [expected]
    others = len(copies) - 1 if apart == "datasets" else 0  # of the comment that each dataset has besides
    assert manifest.counters.dropped == {"duplicate": len(bodies) - 1 + others}
    assert manifest.counters.read == manifest.counters.kept + len(bodies) - 1 + others
    assert manifest.counters.kept == rows.height == manifest.records


def test_the_same_id_in_two_threads_is_no_duplicate(tmp_path: Path) -> None:
    manifest = make_threads(tmp_path / "threads", make_comments(tmp_path, [comment("a", "t3_t", "t"), comment("a", "t3_u", "u")]))
    assert manifest.counters.kept == 3
    assert manifest.counters.dropped == {}


def test_an_unfinished_run_goes_on_to_equal_shards(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, threads_of(200, 2))
    whole = make_threads(tmp_path / "whole", comments, num_shards_train=4)
    stage = ThreadsStage((comments,), ThreadsConfig(num_shards_train=4), "300MB")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / ".writing-spill").mkdir()  # as a killed warehouse leaves it
    tasks = stage.plan().tasks
    some = {result.name: result for result in stage.stream([tasks[1], tasks[3]], str(tmp_path / "part"), 2)}
    by_name = {shard.name: shard for shard in whole.shards}
    assert {name: result.shards for name, result in some.items()} == {
        task.name: (by_name[task.name],) for task in (tasks[1], tasks[3])
    }
    assert make_threads(tmp_path / "part", comments, num_shards_train=4).shards == whole.shards


@pytest.mark.parametrize("memory_limit", ["lots", "", "-1", "0GB", "1", "12 parsecs"])
def test_a_memory_limit_of_no_use_is_told_in_a_line(tmp_path: Path, memory_limit: str) -> None:
    comments = make_comments(tmp_path, [comment("a", "t3_t")])
    with pytest.raises(ConfigError, match=r"memory limit is .*; write it as '1GB' or '500MB'"):
        make_threads(tmp_path / "threads", comments, memory_limit=memory_limit)
    assert not (tmp_path / "threads").exists()


def test_what_is_no_comments_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no comments dataset was named"):
        make_threads(tmp_path / "threads")
    with pytest.raises(InputError, match="none does not exist"):
        make_threads(tmp_path / "threads", str(tmp_path / "none"))
    comments = make_comments(tmp_path, [comment("a", "t3_t")])
    make_threads(tmp_path / "threads", comments)
    with pytest.raises(InputError, match="is a dataset of stage threads; name a comments dataset"):
        make_threads(tmp_path / "again", str(tmp_path / "threads"))


def test_threads_of_a_partial_month_are_partial(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, [comment("a", "t3_t")])
    manifest = Dataset.open(comments).manifest
    write_manifest(comments, Manifest.from_json({**manifest.to_json(), "partial": True}))
    with pytest.raises(InputError, match="incomplete input"):
        make_threads(tmp_path / "threads", comments)
    assert make_threads(tmp_path / "threads", comments, allow_partial=True).partial
