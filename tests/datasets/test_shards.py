import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.datasets.shards import MAX_SHARDS, ShardName

SPLITS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=12)


@given(SPLITS, st.integers(1, MAX_SHARDS), st.data(), st.from_regex(r"[a-z0-9.]{1,12}", fullmatch=True))
def test_a_name_is_parsed_back_to_its_parts(split: str, count: int, data: st.DataObject, suffix: str) -> None:
    name = ShardName(split, data.draw(st.integers(0, count - 1)), count, suffix)
    assert ShardName.parse(str(name)) == name


def test_names_are_those_of_tfds_and_of_the_reference_pipeline() -> None:
    assert str(ShardName("train", 0, 10, "tfrecord")) == "train-00000-of-00010.tfrecord"


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "train.tfrecord",
        "train-0000-of-00010.tfrecord",
        "train-00010-of-00010.tfrecord",
        "train-00000-of-00000.tfrecord",
        "train-00000-of-00010",
        "-00000-of-00010.tfrecord",
        "train-00000-of-00010.tfrecord\n",
        "train-0000٣-of-00010.tfrecord",
        ".writing-17-train-00000-of-00010.TFRECORD",
    ],
)
def test_other_names_are_no_shards(name: str) -> None:
    assert ShardName.parse(name) is None


@pytest.mark.parametrize(("index", "count"), [(-1, 3), (3, 3), (0, 0), (0, MAX_SHARDS + 1)])
def test_a_shard_beyond_its_count_is_refused(index: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"shard {index} of {count}"):
        ShardName("train", index, count, "tfrecord")


def test_shards_sort_by_split_and_number() -> None:
    names = [ShardName("train", 2, 3, "x"), ShardName("test", 1, 3, "x"), ShardName("train", 0, 3, "x")]
    assert [(name.split, name.index) for name in sorted(names)] == [("test", 1), ("train", 0), ("train", 2)]
