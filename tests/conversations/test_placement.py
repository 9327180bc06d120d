import hashlib
from collections import Counter
from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.conversations import placement
from threadmill.conversations.config import SPLIT_RULES, ThreadsConfig
from threadmill.conversations.placement import POSITION_BITS, place, shard_counts, split_edges
from threadmill.corpora.reddit.comments import SCHEMA
from threadmill.warehouse.duckdb import DuckDBWarehouse

IDS = [f"{number:x}" for number in range(3000)] + ["", "é", "ein langer Name, länger als jede Id eines Threads", "z" * 55]
SHARDS = {"train_shards": 99_999, "validation_shards": 7, "test_shards": 1000}


def config(train: float, validation: float, test: float, rule: str) -> ThreadsConfig:
    return ThreadsConfig(train_split=train, validation_split=validation, test_split=test, split_rule=rule)


FRACTIONS = [(0.9, 0.05, 0.05), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.5, 0.5), (0.1, 0.0, 0.9)]
CONFIGS = [config(*fractions, rule) for rule in SPLIT_RULES for fractions in FRACTIONS]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBWarehouse]:
    """Holds a comment a thread, and no duplicates."""
    folder = tmp_path_factory.mktemp("warehouse")
    columns = {field.name: pl.lit(None, pl.String) for field in SCHEMA}
    ids = {"thread_id": pl.Series(IDS), "source_row": pl.int_range(len(IDS), eager=True)}
    pl.DataFrame(ids).with_columns(**{name: null for name, null in columns.items() if name not in ids}).write_parquet(
        folder / "comments.parquet"
    )
    none = {"thread_id": pl.String, "id": pl.String, "is_submission": pl.Boolean, "place": pl.Int64}
    pl.DataFrame(schema=none).write_parquet(folder / "none.parquet")
    with DuckDBWarehouse("300MB", 1, str(folder)) as warehouse:
        warehouse.load("comments", [str(folder / "comments.parquet")])
        warehouse.load("duplicates", [str(folder / "none.parquet")])
        yield warehouse


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.split_rule} {config.train_split}")
def test_a_thread_is_placed_as_in_the_warehouse(warehouse: DuckDBWarehouse, config: ThreadsConfig) -> None:
    rule, train = SPLIT_RULES[config.split_rule], config.fraction("train")
    edges = [rule.edge(train), rule.edge(train + config.fraction("validation"))]
    parameters = {"split_digit": rule.first_digit, "split_digits": rule.digits, "month": "", **SHARDS}
    found = warehouse.query("threads", {**parameters, "train_edge": edges[0], "validation_edge": max(edges)})
    split, position = place(pl.Series(IDS), config)
    ours = pl.DataFrame({"thread_id": IDS, "split_index": split, "thread_position": position})
    shards = pl.Series(list(SHARDS.values())).gather(ours["split_index"])
    ours = ours.with_columns(bucket=ours["thread_position"] * shards // (1 << POSITION_BITS))
    ordered = ours.sort("split_index", "thread_position", "thread_id")
    assert ordered["thread_id"].to_list() == found["thread_id"].to_pylist()
    assert ordered["split_index"].to_list() == found["split_index"].to_pylist()
    assert ordered["bucket"].to_list() == found["bucket"].to_pylist()


@settings(max_examples=40)
@given(st.lists(st.text(max_size=13), max_size=6), st.sampled_from(CONFIGS))
def test_position_and_split_are_digits_of_the_md5_of_the_id(ids: list[str], config: ThreadsConfig) -> None:
    split, position = place(pl.Series(ids, dtype=pl.String), config)
    hashes = [hashlib.md5(thread.encode()).hexdigest() for thread in ids]
    assert position.tolist() == [int(digits[15:26], 16) for digits in hashes]
    edges = list(split_edges(config).values())
    rule = SPLIT_RULES[config.split_rule]
    numbers = [int(digits[rule.first_digit - 1 :][: rule.digits], 16) for digits in hashes]
    assert split.tolist() == [sum(number >= edge for edge in edges) for number in numbers]


@pytest.mark.parametrize("split", [0, 1, 2])
def test_a_fraction_of_one_is_all_threads(split: int) -> None:
    fractions = [0.0, 0.0, 0.0]
    fractions[split] = 1.0
    splits, _ = place(pl.Series(IDS), config(*fractions, "exact"))
    assert set(splits.tolist()) == {split}


def test_the_reference_s_rule_sends_one_thread_in_4096_to_test_at_a_fraction_of_one() -> None:
    ids = [f"{number:x}" for number in range(40_000)]
    splits, _ = place(pl.Series(ids), config(1.0, 0.0, 0.0, "polyai"))
    assert Counter(splits.tolist())[2] == sum(int(hashlib.md5(thread.encode()).hexdigest()[29:], 16) == 4095 for thread in ids)
    assert 0 < Counter(splits.tolist())[2] < 40


def test_a_slice_is_placed_as_the_whole() -> None:
    ids = pl.Series(IDS)
    for whole, part in zip(place(ids, CONFIGS[0]), place(ids[100:200], CONFIGS[0]), strict=True):
        assert whole[100:200].tolist() == part.tolist()


def test_an_id_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 55 bytes"):
        place(pl.Series(["a", "é" * 28]), CONFIGS[0])


def test_shards_are_those_asked_for_or_else_one_in_so_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_SHARD_BYTES", 1000)
    assert shard_counts(config(0.5, 0.25, 0.25, "exact"), 10_000) == {"train": 5, "validation": 3, "test": 3}
    assert shard_counts(config(1.0, 0.0, 0.0, "exact"), 1001) == {"train": 2, "validation": 0, "test": 0}
    assert shard_counts(config(1.0, 0.0, 0.0, "polyai"), 0) == {"train": 1, "validation": 0, "test": 1}
    assert shard_counts(ThreadsConfig(num_shards_test=4), 0) == {"train": 1, "validation": 1, "test": 4}
