from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage

SMALL = BertConfig(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """conversations/ of three training shards and one for validation, and vocabulary/."""
    folder = tmp_path_factory.mktemp("world")
    splits = {"train": shards_of(made_examples(60), 3), "validation": [made_examples(20, seed=1)]}
    conversations = write_conversations(folder / "conversations", splits)
    run_stage(VocabularyStage(conversations, VocabularyConfig(vocab_size=90)), str(folder / "vocabulary"))
    return folder


def make(world: Path, output: Path, config=SMALL, conversations: str | None = None, workers=1):
    stage = RecordsStage(conversations or str(world / "conversations"), str(world / "vocabulary"), config)
    return run_stage(stage, str(output), workers=workers)


def records(output: Path, split: str):
    dataset = Dataset.open(str(output))
    return [parse_example(record) for shard in dataset.shards(split) for record in read_records(dataset.path(shard))]


def test_each_shard_of_conversations_gives_a_shard_of_records_under_its_name(world, tmp_path):
    manifest = make(world, tmp_path / "records")
    assert [shard.name for shard in manifest.shards] == [
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
        "validation-00000-of-00001.tfrecord",
    ]
    assert verify(str(tmp_path / "records")) == []
    read = [features for split in ("train", "validation") for features in records(tmp_path / "records", split)]
    assert manifest.records == manifest.counters.written == len(read)


def test_records_have_googles_features_in_googles_shapes(world, tmp_path):
    manifest = make(world, tmp_path / "records")
    shapes = {
        "input_ids": (int, 32),
        "input_mask": (int, 32),
        "segment_ids": (int, 32),
        "masked_lm_positions": (int, 5),
        "masked_lm_ids": (int, 5),
        "masked_lm_weights": (float, 5),
        "next_sentence_labels": (int, 1),
    }
    assert {field.name: field.type for field in manifest.schema} == {
        name: f"{'int64' if kind is int else 'float32'}[{length}]" for name, (kind, length) in shapes.items()
    }
    for features in records(tmp_path / "records", "train"):
        assert {name: (type(values[0]), len(values)) for name, values in features.items()} == shapes


def test_bytes_do_not_depend_on_the_number_of_workers(world, tmp_path):
    one, two = make(world, tmp_path / "records", workers=1), make(world, tmp_path / "again" / "records", workers=2)
    assert [shard.sha256 for shard in one.shards] == [shard.sha256 for shard in two.shards]
    assert one.digest == two.digest


def test_bytes_do_not_depend_on_the_format_of_the_conversations(world, tmp_path):
    splits = {"train": shards_of(made_examples(60), 3), "validation": [made_examples(20, seed=1)]}
    lines = write_conversations(tmp_path / "lines", splits, "jsonl")
    one, two = make(world, tmp_path / "one"), make(world, tmp_path / "two", conversations=lines)
    assert [shard.sha256 for shard in one.shards] == [shard.sha256 for shard in two.shards]


def test_shards_and_seeds_draw_differently(world, tmp_path):
    splits = {"train": [made_examples(20)] * 2}
    conversations = write_conversations(tmp_path / "twins", splits)
    manifest = make(world, tmp_path / "one", conversations=conversations)
    other = make(world, tmp_path / "two", BertConfig(32, 5, dupe_factor=2, random_seed=1), conversations)
    assert len({shard.sha256 for shard in [*manifest.shards, *other.shards]}) == 4


def test_the_funnel_accounts_for_every_example(world, tmp_path):
    splits = {
        "train": [[("t1", ["kara", "teset"]), ("t1", ["kara", "teset", "suush"]), ("t2", ["kara", ""]), ("t3", ["mira", "lora"])]]
    }
    manifest = make(world, tmp_path / "records", BertConfig(32, 5, dupe_factor=1), write_conversations(tmp_path / "few", splits))
    assert manifest.counters.to_json() == {
        "read": 4,
        "kept": 2,
        "dropped": {"one_turn": 1, "prefix_of_longer": 1},
        "written": manifest.records,
    }


def test_only_the_train_split_is_duplicated(world, tmp_path):
    once, thrice = (make(world, tmp_path / str(n), BertConfig(32, 5, dupe_factor=n)).statistics["splits"] for n in (1, 3))
    assert thrice["train"]["instances"] > 2.7 * once["train"]["instances"]
    assert thrice["validation"] == once["validation"]


def test_statistics_are_the_sums_of_the_records(world, tmp_path):
    statistics = make(world, tmp_path / "records").statistics["splits"]["train"]
    made = records(tmp_path / "records", "train")
    assert statistics == {
        "instances": len(made),
        "random_next": sum(features["next_sentence_labels"][0] for features in made),
        "tokens": sum(sum(features["input_mask"]) for features in made),
        "masked": sum(sum(features["masked_lm_weights"]) for features in made),
    }
    assert 0.4 < statistics["random_next"] / statistics["instances"] < 0.6


def test_the_manifest_names_the_vocabulary_and_another_one_makes_other_records(world, tmp_path):
    manifest = make(world, tmp_path / "records")
    vocabulary = Dataset.open(str(world / "vocabulary")).manifest
    assert (manifest.inputs[1].name, manifest.inputs[1].digest) == ("vocabulary", vocabulary.digest)


def test_a_missing_vocabulary_or_dataset_is_named(world, tmp_path):
    with pytest.raises(InputError, match="absent"):
        run_stage(RecordsStage(str(world / "conversations"), str(tmp_path / "absent")), str(tmp_path / "records"))
    with pytest.raises(InputError, match="stage conversations"):
        run_stage(RecordsStage(str(world / "conversations"), str(world / "conversations")), str(tmp_path / "records"))
    with pytest.raises(InputError, match="stage vocabulary"):
        run_stage(RecordsStage(str(world / "vocabulary"), str(world / "vocabulary")), str(tmp_path / "records"))


def test_conversations_without_any_pair_of_turns_are_refused_and_leave_no_dataset(world, tmp_path):
    conversations = write_conversations(tmp_path / "empty", {"train": [[("t", ["", "kara"])], []]})
    with pytest.raises(InputError, match="none of its 1 examples has two turns"):
        make(world, tmp_path / "records", conversations=conversations)
    assert not (tmp_path / "records" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"max_seq_length": 4}, "must be 5 or more"),
        ({"max_seq_length": 16, "max_predictions_per_seq": 17}, "more than max_seq_length 16"),
        ({"max_predictions_per_seq": 0}, "must be 1 or more"),
        ({"masked_lm_prob": 0}, "0.15 is usual"),
        ({"short_seq_prob": 1.5}, "must be from 0 to 1"),
        ({"dupe_factor": 0}, "must be 1 or more"),
    ],
)
def test_settings_of_no_use_are_refused_with_the_remedy(settings, remedy):
    with pytest.raises(ConfigError, match=remedy):
        BertConfig(**settings)


@pytest.mark.slow
def test_tensorflow_reads_the_records_by_googles_specification(world, tmp_path):
    import tensorflow as tf

    make(world, tmp_path / "records")
    spec = {
        "input_ids": tf.io.FixedLenFeature([32], tf.int64),
        "input_mask": tf.io.FixedLenFeature([32], tf.int64),
        "segment_ids": tf.io.FixedLenFeature([32], tf.int64),
        "masked_lm_positions": tf.io.FixedLenFeature([5], tf.int64),
        "masked_lm_ids": tf.io.FixedLenFeature([5], tf.int64),
        "masked_lm_weights": tf.io.FixedLenFeature([5], tf.float32),
        "next_sentence_labels": tf.io.FixedLenFeature([1], tf.int64),
    }
    files = sorted(map(str, (tmp_path / "records").glob("train-*.tfrecord")))
    ours = records(tmp_path / "records", "train")
    count = 0
    for count, features in enumerate(tf.data.TFRecordDataset(files).map(lambda record: tf.io.parse_example(record, spec)), 1):
        assert {name: values.numpy().tolist() for name, values in features.items()} == ours[count - 1]
    assert count == len(ours)
