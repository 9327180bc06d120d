import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.deduplication.made import FEATURES, Example, example, write
from threadmill.conversations.rewriting import read_all
from threadmill.datasets.dataset import Dataset, split_of, verify
from threadmill.datasets.manifest import Manifest, write_manifest
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.deduplicate import DeduplicateStage
from threadmill.deduplication.signatures import SignaturesStage
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError

TEXT = "what do you think of the new library that they have built beside the river this summer"
NEAR = TEXT.replace("summer", "spring")
WORDS = [a + b for a in ("ka", "lo", "mi", "su", "te", "vorn", "gel") for b in ("ra", "nim", "dol", "set", "bik", "ush")]


def deduplicate(folder: Path, conversations: str, earlier: Sequence[str] = (), workers: int = 1, **settings: Any) -> Dataset:
    config = DeduplicationConfig(**settings)
    signatures, output = str(folder / "signatures"), str(folder / "deduplicated")
    run_stage(SignaturesStage(conversations, config), signatures, workers=workers)
    stage = DeduplicateStage(conversations, signatures, tuple(earlier), config, "300MB")
    run_stage(stage, output, workers=workers)
    return Dataset.open(output)


def kept(dataset: Dataset, split: str | None = None) -> list[str]:
    shards = [read_all(dataset.path(shard), FEATURES) for shard in dataset.shards(split)]
    return [name for shard in shards for name in shard["example_id"]]


def world(seed: int, count: int, months: int) -> list[list[Example]]:
    """Examples of each month, many of them near copies of others, earlier or later; the second in a few is the same."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(4, 25))) for _ in range(count // 3)]
    made: list[list[Example]] = [[] for _ in range(months)]
    for number in range(count):
        words = draw.choice(texts).split(" ")
        for _ in range(draw.choice([0, 0, 1, 2])):
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        month = draw.randrange(months)
        made[month].append(example(f"{draw.randrange(10**6):x}.{number}", 1000 * month + draw.randrange(40), " ".join(words)))
    return made


def splits_of(examples: Sequence[Example]) -> dict[str, list[list[Example]]]:
    """By a rule of the id, so that copies are in any split."""
    parts: list[list[Example]] = [[], [], [], []]
    for entry in examples:
        parts[sum(str(entry["example_id"]).encode()) % 4].append(entry)
    return {"train": parts[:2], "validation": [parts[2]], "test": [parts[3]]}


def test_later_copies_go_and_are_counted_exact_or_near(tmp_path: Path) -> None:
    examples = [
        example("later", 20, TEXT.upper().replace(" ", "\n ")),
        example("near", 15, NEAR),
        example("first", 10, TEXT),
        example("other", 30, "nothing of the kind was ever said here"),
        example("another", 30, TEXT, "but this response is an altogether different one, as one can see"),
    ]
    dataset = deduplicate(tmp_path, write(tmp_path / "c", {"train": [examples[:2], examples[2:]]}))
    assert kept(dataset) == ["first", "other", "another"]
    counters = dataset.manifest.counters.to_json()
    assert counters == {"read": 5, "kept": 3, "dropped": {"exact_duplicate": 1, "near_duplicate": 1}, "written": 3}
    assert dataset.manifest.statistics == {"examples": {"train": 3}}
    assert verify(dataset.uri) == []


def test_exact_deduplication_keeps_near_copies(tmp_path: Path) -> None:
    examples = [example("a", 1, TEXT), example("b", 2, NEAR), example("c", 3, f" {TEXT}"), example("d", 4, TEXT, "")]
    dataset = deduplicate(tmp_path, write(tmp_path / "c", {"train": [examples]}), deduplication="exact")
    assert kept(dataset) == ["a", "b", "d"]
    assert dataset.manifest.counters.dropped == {"exact_duplicate": 1}


def test_of_examples_of_one_time_the_smallest_id_is_the_first(tmp_path: Path) -> None:
    examples = [example("z", 5, TEXT), example("10", 5, TEXT), example("9", 5, TEXT)]
    assert kept(deduplicate(tmp_path, write(tmp_path / "c", {"train": [examples]}))) == ["10"]


@pytest.mark.parametrize("format", ["tfrecord", "jsonl", "parquet", "parlai"])
def test_shards_keep_their_names_order_and_records(tmp_path: Path, format: str) -> None:
    (examples,) = world(1, 90, 1)
    examples[0]["context/0"] = "an older turn that only this one has"
    conversations = Dataset.open(write(tmp_path / "c", splits_of(examples), format))
    dataset = deduplicate(tmp_path, conversations.uri)
    assert [shard.name for shard in dataset.manifest.shards] == [shard.name for shard in conversations.manifest.shards]
    assert dataset.manifest.schema == conversations.manifest.schema
    for before, after in zip(conversations.manifest.shards, dataset.manifest.shards, strict=True):
        left = read_all(dataset.path(after), FEATURES)
        all_of = read_all(conversations.path(before), FEATURES)
        assert 0 < left.height == after.records < before.records
        assert left.equals(all_of.filter(all_of["example_id"].is_in(left["example_id"].to_list())))


def test_shards_without_duplicates_are_copied_byte_for_byte(tmp_path: Path) -> None:
    for format in ("tfrecord", "jsonl", "parquet"):
        conversations = write(tmp_path / format / "c", {"train": [[example("a", 1, TEXT)]], "test": [[]]}, format)
        dataset = deduplicate(tmp_path / format, conversations)
        assert dataset.manifest.shards == Dataset.open(conversations).manifest.shards


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_months_one_by_one_equal_all_months_at_once(tmp_path: Path, order: tuple[int, ...]) -> None:
    months = world(2, 300, 3)
    at_once = deduplicate(tmp_path / "all", write(tmp_path / "all" / "c", splits_of([e for month in months for e in month])))
    names = [str(tmp_path / f"{month}" / "signatures") for month in range(3)]
    for month in order:  # the signatures come first, whatever month is deduplicated next
        run_stage(SignaturesStage(write(tmp_path / f"{month}" / "c", splits_of(months[month]))), names[month], workers=1)
    by_month = {month: deduplicate(tmp_path / f"{month}", str(tmp_path / f"{month}" / "c"), names) for month in order}
    for split in ("train", "validation", "test"):
        found = [name for dataset in by_month.values() for name in kept(dataset, split)]
        assert sorted(found) == sorted(kept(at_once, split))
    assert all(dataset.manifest.counters.dropped["near_duplicate"] > 5 for dataset in by_month.values())


def test_no_two_examples_that_are_kept_share_a_key(tmp_path: Path) -> None:
    dataset = deduplicate(tmp_path, write(tmp_path / "c", splits_of(world(3, 200, 1)[0])))
    names = set(kept(dataset))
    signatures = Dataset.open(str(tmp_path / "signatures"))
    seen: dict[int, str] = {}
    for shard in signatures.manifest.shards:
        for row in read_rows(signatures.path(shard)):
            if row["example_id"] in names:
                for key in row["band_keys"]:
                    assert seen.setdefault(key, row["example_id"]) == row["example_id"]
    assert 20 < len(names) < 150
    assert {split_of(shard) for shard in dataset.manifest.shards} == {"train", "validation", "test"}


def read_rows(path: str) -> list[dict[str, Any]]:
    return pl.read_parquet(path).to_dicts()


def test_bytes_are_equal_for_any_number_of_workers(tmp_path: Path) -> None:
    conversations = write(tmp_path / "c", splits_of(world(4, 150, 1)[0]))
    alone = deduplicate(tmp_path, conversations)
    stage = DeduplicateStage(conversations, str(tmp_path / "signatures"))
    assert run_stage(stage, str(tmp_path / "by two"), name="deduplicated", workers=2).digest == alone.manifest.digest


def test_other_settings_and_other_conversations_are_refused_by_name(tmp_path: Path) -> None:
    january, february = (
        write(tmp_path / name, {"train": [[example(name, 1, text)]]}) for name, text in (("j", TEXT), ("f", NEAR))
    )
    deduplicate(tmp_path / "1", january, num_bands=9)
    old = str(tmp_path / "1" / "signatures")
    with pytest.raises(InputError, match="num_bands is 9, not 14"):
        deduplicate(tmp_path / "2", february, [old])
    config = DeduplicationConfig(num_bands=9)
    with pytest.raises(InputError, match="signatures of other conversations"):
        run_stage(DeduplicateStage(february, old, (), config), str(tmp_path / "d"), workers=1)
    with pytest.raises(InputError, match="other settings"):
        run_stage(DeduplicateStage(january, old), str(tmp_path / "d"), workers=1)
    with pytest.raises(InputError, match="stage conversations"):
        run_stage(DeduplicateStage(january, january), str(tmp_path / "d"), workers=1)
    with pytest.raises(ConfigError, match="deduplication is none"):
        deduplicate(tmp_path / "3", january, deduplication="none")


def test_signatures_of_another_minhash_are_refused(tmp_path: Path) -> None:
    january, february = (
        write(tmp_path / name, {"train": [[example(name, 1, text)]]}) for name, text in (("j", TEXT), ("f", NEAR))
    )
    old = str(tmp_path / "old")
    manifest = run_stage(SignaturesStage(january), old, workers=1)
    write_manifest(old, Manifest.from_json({**manifest.to_json(), "statistics": {"algorithm": "R-MinHash 1"}}))
    with pytest.raises(InputError, match=r"made by another Threadmill \(R-MinHash 1\)"):
        deduplicate(tmp_path / "2", february, [old])


def test_the_inputs_are_all_signatures_each_once_and_one_that_is_incomplete_is_refused(tmp_path: Path) -> None:
    january = write(tmp_path / "j", {"train": [[example("j", 1, TEXT)]]})
    february = write(tmp_path / "f", {"train": [[example("f", 2, NEAR), example("g", 2, "a text of its own, like no other")]]})
    march = write(tmp_path / "m", {"train": [[example("m", 3, "one more, of a month that is not whole")]]}, partial=True)
    deduplicate(tmp_path / "1", january)
    store = [str(tmp_path / "1" / "signatures"), str(tmp_path / "2" / "signatures")]
    dataset = deduplicate(tmp_path / "2", february, [store[0], store[0]])
    assert kept(dataset) == ["g"]
    assert [entry.uri for entry in dataset.manifest.inputs] == [february, store[1], store[0]]
    with pytest.raises(InputError, match="incomplete"):
        deduplicate(tmp_path / "3", march, store)


def test_examples_without_their_time_are_refused(tmp_path: Path) -> None:
    conversations = write(tmp_path / "c", {"train": [[{**example("a", 1, TEXT), "created_utc": "yesterday"}]]})
    with pytest.raises(InputError, match=r"train-00000-of-00001\.tfrecord.*created_utc"):
        deduplicate(tmp_path, conversations)
