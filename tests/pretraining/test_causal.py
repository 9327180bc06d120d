import pytest

from tests.conversation_datasets import made_examples, write_conversations
from tests.pretraining.made_records import FIRST, PAD, SEP, make_records, read_split, write_text, write_vocabulary
from threadmill.errors import ConfigError
from threadmill.pretraining.config import CausalConfig

DOCUMENTS = [[5, 9, 3, 40, 7], [4], [11, 2, 6], [30, 8]] * 20
WORDS = sum(map(sum, DOCUMENTS))


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("causal")
    return write_text(folder / "text.txt", DOCUMENTS), write_vocabulary(folder / "vocabulary", WORDS)


def in_order(records) -> list[dict]:
    """The records in the corpus's order, which their words tell."""
    return sorted(records, key=lambda record: max(record["input_ids"]))


def test_the_records_are_the_documents_end_to_end(world, tmp_path):
    manifest = make_records(*world, tmp_path / "records", CausalConfig(max_seq_length=32))
    records = in_order(read_split(tmp_path / "records"))
    wanted, number = [], FIRST
    for document in DOCUMENTS:
        wanted += [*range(number, number + sum(document)), SEP]
        number += sum(document)
    assert [token for record in records for token in record["input_ids"] if token != PAD] == wanted
    for record in records:
        tokens = sum(record["input_mask"])
        assert record["input_ids"][tokens:] == [PAD] * (32 - tokens)
        segment = 1
        for place in range(tokens):
            assert record["segment_ids"][place] == segment
            segment += record["input_ids"][place] == SEP
        assert set(record["segment_ids"][tokens:]) <= {0}
    assert manifest.statistics["splits"]["train"] == {
        "instances": len(records),
        "segments": sum(max(record["segment_ids"]) for record in records),
        "tokens": len(wanted),
        "padding": 32 * len(records) - len(wanted),
    }


def test_turns_of_threads_are_joined_with_separators(tmp_path):
    examples = [("t1", ["w0 w1", "w2"]), ("t1", ["w0 w1", "w2", "w3"]), ("t2", ["w4", "w5 w6"])]
    conversations = write_conversations(tmp_path / "conversations", {"train": [examples]})
    make_records(
        conversations, write_vocabulary(tmp_path / "vocabulary", 7), tmp_path / "records", CausalConfig(max_seq_length=16)
    )
    (record,) = read_split(tmp_path / "records")
    shown = ["|" if token == SEP else f"w{token - FIRST}" for token in record["input_ids"] if token != PAD]
    assert shown in (
        ["w0", "w1", "|", "w2", "|", "w3", "|", "w4", "|", "w5", "w6", "|"],
        ["w4", "|", "w5", "w6", "|", "w0", "w1", "|", "w2", "|", "w3", "|"],
    )
    assert max(record["segment_ids"]) == 2


def test_passes_hold_the_same_tokens_cut_at_other_places(world, tmp_path):
    make_records(*world, tmp_path / "one", CausalConfig(max_seq_length=32))
    make_records(*world, tmp_path / "three", CausalConfig(max_seq_length=32, dupe_factor=3))
    one, three = (
        [token for record in read_split(tmp_path / name) for token in record["input_ids"] if token != PAD]
        for name in ("one", "three")
    )
    assert sorted(one * 3) == sorted(three)
    begins = {record["input_ids"][0] for record in read_split(tmp_path / "three")}
    assert len(begins) > 1.5 * len(read_split(tmp_path / "one"))


def test_bytes_depend_on_the_seed_alone(world, tmp_path):
    made = [
        make_records(*world, tmp_path / name, CausalConfig(max_seq_length=32, random_seed=seed), workers)
        for name, seed, workers in (("one", 1, 1), ("two", 1, 2), ("other", 2, 1))
    ]
    assert made[0].shards == made[1].shards
    assert made[0].shards != made[2].shards


def test_a_length_of_no_use_is_refused():
    with pytest.raises(ConfigError, match="must be from 2 to"):
        CausalConfig(max_seq_length=1)


def test_conversations_keep_their_splits(tmp_path):
    splits = {"train": [made_examples(20)], "validation": [made_examples(10, seed=1)]}
    conversations = write_conversations(tmp_path / "conversations", splits)
    manifest = make_records(
        conversations,
        write_vocabulary(tmp_path / "vocabulary", 1),
        tmp_path / "records",
        CausalConfig(max_seq_length=16, dupe_factor=4),
    )
    sums = manifest.statistics["splits"]
    assert sums["train"]["tokens"] > 4 * sums["validation"]["tokens"] > 0  # only the train split has several passes
