import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.made import example, write_conversations
from threadmill.conversations.statistics import Distribution, conversation_statistics, extra_contexts
from threadmill.datasets.manifest import Field
from threadmill.errors import InputError, IntegrityError

FORMATS = ["jsonl", "tfrecord"]


@given(st.lists(st.integers(0, 50), min_size=1), st.floats(0.01, 1))
def test_percentiles_are_the_nearest_ranks_of_the_sorted_numbers(numbers: list[int], fraction: float) -> None:
    rank = max(1, math.ceil(fraction * len(numbers)))
    assert Distribution(Counter(numbers)).percentile(fraction) == sorted(numbers)[rank - 1]


@given(st.lists(st.integers(0, 50), min_size=1))
def test_mean_maximum_and_total_are_those_of_the_numbers(numbers: list[int]) -> None:
    distribution = Distribution(Counter(numbers))
    assert distribution.mean == pytest.approx(sum(numbers) / len(numbers))
    assert (distribution.maximum, distribution.total) == (max(numbers), len(numbers))


def test_a_distribution_of_nothing_is_zero_throughout() -> None:
    nothing = Distribution({})
    assert (nothing.total, nothing.mean, nothing.maximum, nothing.percentile(0.5)) == (0, 0, 0, 0)


def test_extra_contexts_come_in_the_order_of_their_numbers() -> None:
    names = ["context", "context/10", "context/2", "context/0", "context_author", "context/x"]
    assert extra_contexts(Field(name, "bytes") for name in names) == ["context/0", "context/2", "context/10"]


@pytest.mark.parametrize("format", FORMATS)
def test_lengths_are_counted_in_characters_and_turns_with_the_response(tmp_path: Path, format: str) -> None:
    rows = [
        example(1, context="نعم", response="𝔘𝔫𝔦"),
        example(2, context="four", response="", **{"context/0": "a"}),
        example(3, context="four", response="é", subreddit="science", **{"context/0": "a", "context/1": "b"}),
    ]
    statistics = conversation_statistics(write_conversations(tmp_path / "c", {"train": [rows]}, format))
    assert statistics.examples == 3
    assert statistics.context_chars.counts == {3: 1, 4: 2}
    assert statistics.response_chars.counts == {0: 1, 1: 1, 3: 1}
    assert statistics.turns.counts == {2: 1, 3: 1, 4: 1}
    assert statistics.subreddits == {"reddit.com": 2, "science": 1}


@pytest.mark.parametrize("format", FORMATS)
def test_how_the_examples_lie_in_shards_makes_no_difference(tmp_path: Path, format: str) -> None:
    rows = [
        example(n, response="x" * (n % 7), subreddit=f"sub{n % 3}", **({"context/0": "y"} if n % 2 else {})) for n in range(40)
    ]
    one = write_conversations(tmp_path / "one", {"train": [rows]}, format)
    many = write_conversations(tmp_path / "many", {"train": [rows[30:], [], rows[:10]], "test": [rows[10:30]]}, format)
    assert conversation_statistics(one) == conversation_statistics(many)


def test_the_largest_subreddits_come_by_size_then_name(tmp_path: Path) -> None:
    rows = [example(n, subreddit=name) for n, name in enumerate(["b", "c", "a", "c", "d"])]
    statistics = conversation_statistics(write_conversations(tmp_path / "c", {"train": [rows]}))
    assert statistics.top_subreddits(3) == [("c", 2), ("a", 1), ("b", 1)]


def test_examples_without_a_subreddit_are_counted_as_such(tmp_path: Path) -> None:
    row = example(1)
    del row["subreddit"]
    statistics = conversation_statistics(write_conversations(tmp_path / "c", {"train": [[row]]}))
    assert statistics.subreddits == {"(none)": 1}


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "c", {"train": [[example(1)]]}, "tfrecord")
    shard = tmp_path / "c" / "train-00000-of-00001.tfrecord"
    content = bytearray(shard.read_bytes())
    content[20] ^= 1
    shard.write_bytes(content)
    with pytest.raises(IntegrityError, match="train-00000-of-00001"):
        conversation_statistics(uri)


def test_a_folder_without_dataset_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        conversation_statistics(str(tmp_path))


def test_months_are_those_in_which_responses_were_written(tmp_path: Path) -> None:
    times = ["1136073599", "1136073600", "1138751999", "1138752000", "soon", ""]
    rows = [example(number, **({"created_utc": time} if time else {})) for number, time in enumerate(times)]
    statistics = conversation_statistics(write_conversations(tmp_path / "c", {"train": [rows[:3], rows[3:]]}))
    assert statistics.months == {"2005-12": 1, "2006-01": 2, "2006-02": 1}
