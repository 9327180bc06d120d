import gzip
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError
from threadmill.pretraining.bert import BertObjective
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import SPECIAL_TOKENS, VocabularyConfig
from threadmill.vocab.stage import VocabularyStage
from threadmill.vocab.vocabulary import Vocabulary

SMALL = BertConfig(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=2)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """conversations/ of three training shards and one for validation, and vocabulary/."""
    folder = tmp_path_factory.mktemp("world")
    splits = {"train": shards_of(made_examples(60), 3), "validation": [made_examples(20, seed=1)]}
    conversations = write_conversations(folder / "conversations", splits)
    run_stage(VocabularyStage(conversations, VocabularyConfig(vocab_size=90)), str(folder / "vocabulary"))
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    """A folder of two text files, of documents of one to eight lines."""
    draw = random.Random(0)
    words = ["kara", "teset", "suush", "mira", "lora", "vornset", "gel"]
    files = {
        name: "\n\n".join(
            "\n".join(" ".join(draw.choices(words, k=draw.randint(1, 9))) for _ in range(draw.randint(1, 8))) for _ in range(60)
        )
        for name in ("a.txt", "b.txt")
    }
    return write_texts(tmp_path_factory.mktemp("texts") / "texts", files)


def write_texts(folder: Path, files: Mapping[str, str]) -> Path:
    """Writes text files, name -> content."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def make(world: Path, output: Path, config=SMALL, conversations: str | Sequence[str] | None = None, workers=1):
    stage = RecordsStage(conversations or str(world / "conversations"), str(world / "vocabulary"), config)
    return run_stage(stage, str(output), workers=workers)


def records(output: Path, split: str):
    dataset = Dataset.open(str(output))
    return [parse_example(record) for shard in dataset.shards(split) for record in read_records(dataset.path(shard))]


def test_every_split_gets_shards_of_its_own(world, tmp_path):
    manifest = make(world, tmp_path / "records", BertConfig(32, 5, dupe_factor=2, num_shards=3))
    assert [shard.name for shard in manifest.shards] == [
        "train-00000-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "train-00002-of-00003.tfrecord",
        "validation-00000-of-00001.tfrecord",
    ]
    assert verify(str(tmp_path / "records")) == []
    read = [features for split in ("train", "validation") for features in records(tmp_path / "records", split)]
    assert manifest.records == manifest.counters.written == len(read)
    assert len({tuple(features["input_ids"]) for features in read}) > 0.98 * len(read)


def test_the_number_of_shards_changes_neither_records_nor_their_order(world, tmp_path):
    one, three = (
        records(tmp_path / str(count), "train")
        for count in (1, 3)
        if make(world, tmp_path / str(count), BertConfig(32, 5, dupe_factor=2, num_shards=count))
    )
    assert one == three


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


def test_bytes_do_not_depend_on_the_number_of_workers(world, texts, tmp_path):
    config = BertConfig(32, 5, dupe_factor=3, num_shards=5)
    for corpora in (str(world / "conversations"), str(texts)):
        name = Path(corpora).name
        one, four = (make(world, tmp_path / str(workers) / name, config, corpora, workers) for workers in (1, 4))
        assert one.digest == four.digest


def test_bytes_do_not_depend_on_the_format_of_the_conversations(world, tmp_path):
    splits = {"train": shards_of(made_examples(60), 3), "validation": [made_examples(20, seed=1)]}
    lines = write_conversations(tmp_path / "lines", splits, "jsonl")
    one, two = make(world, tmp_path / "one"), make(world, tmp_path / "two", conversations=lines)
    assert [shard.sha256 for shard in one.shards] == [shard.sha256 for shard in two.shards]


def test_parts_passes_and_seeds_draw_differently(world, texts, tmp_path):
    folder = write_texts(tmp_path / "twins", dict.fromkeys(("a", "b"), (texts / "a.txt").read_text()))
    masks = []
    for seed in (1, 2):
        make(world, tmp_path / str(seed), BertConfig(32, 5, dupe_factor=2, random_seed=seed), str(folder))
        masks.append(
            [(tuple(row["input_ids"]), tuple(row["masked_lm_positions"])) for row in records(tmp_path / str(seed), "train")]
        )
    assert all(len(set(rows)) > 0.98 * len(rows) for rows in masks)
    assert len(set(masks[0]) & set(masks[1])) < 0.02 * len(masks[0])


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


def test_a_corpus_that_gives_no_record_is_refused_and_leaves_no_dataset(world, tmp_path):
    conversations = write_conversations(tmp_path / "empty", {"train": [[("t", ["", "kara"])], []]})
    with pytest.raises(InputError, match=r"no record could be made of its 1 documents \(one_turn 1\); name a corpus"):
        make(world, tmp_path / "records", conversations=conversations)
    assert not (tmp_path / "records" / "manifest.json").exists()
    for content in ("", " \n\n"):
        with pytest.raises(InputError, match=r"no text there|none read"):
            make(world, tmp_path / "records", conversations=str(write_texts(tmp_path / "blank", {"a": content}) / "a"))
    assert not (tmp_path / "records" / "manifest.json").exists()


def test_a_missing_or_cut_shard_is_named_before_work_starts(world, tmp_path):
    splits = {"train": shards_of(made_examples(60), 3)}
    conversations = Path(write_conversations(tmp_path / "conversations", splits))
    (conversations / "train-00001-of-00003.tfrecord").unlink()
    with pytest.raises(InputError, match=r"train-00001-of-00003\.tfrecord is missing"):
        make(world, tmp_path / "records", conversations=str(conversations))
    assert not (tmp_path / "records").exists()


def test_a_vocabulary_of_nothing_but_special_tokens_is_refused(tmp_path):
    with pytest.raises(InputError, match="all of them special"):
        BertObjective(BertConfig(), Vocabulary(tuple(SPECIAL_TOKENS)))
    with pytest.raises(InputError, match=r"has no \[MASK\]"):
        BertObjective(BertConfig(), Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "kara")))


def test_several_corpora_of_any_kind_make_one_dataset(world, texts, tmp_path):
    config = BertConfig(32, 5, dupe_factor=1)
    apart = [make(world, tmp_path / f"{n}", config, str(uri)) for n, uri in enumerate((world / "conversations", texts))]
    both = make(world, tmp_path / "both", config, (str(world / "conversations"), str(texts)))
    assert both.counters.read == sum(manifest.counters.read for manifest in apart)
    assert both.counters.written == pytest.approx(sum(manifest.counters.written for manifest in apart), rel=0.1)
    assert [entry.name for entry in both.inputs] == ["conversations", "a.txt", "b.txt", "vocabulary"]


def test_documents_of_one_sentence_are_used_and_told_of(world, tmp_path):
    folder = write_texts(tmp_path / "titles", {"titles.txt": "kara mira teset lora\n\n" * 400 + "kara\nmira\n"})
    manifest = make(world, tmp_path / "records", BertConfig(32, 5, dupe_factor=1), str(folder))
    counters = manifest.counters.to_json()
    assert (counters["read"], counters["kept"], counters["single_sentence_documents"]) == (401, 401, 400)
    assert counters["written"] >= 401
    assert 0.4 < manifest.statistics["splits"]["train"]["random_next"] / counters["written"] < 0.6


def test_a_lone_document_gets_true_pairs_only_and_a_warning(world, tmp_path, caplog):
    folder = write_texts(tmp_path / "novel", {"novel.txt": "kara mira teset lora\n" * 50})
    manifest = make(world, tmp_path / "records", BertConfig(32, 5, dupe_factor=2), str(folder))
    assert manifest.statistics["splits"]["train"]["random_next"] == 0 < manifest.records
    assert "is a single document or thread, so that no next sentence is random; put blank lines" in caplog.text


def test_sentences_without_a_token_are_left_out_and_counted(world, tmp_path):
    text = "kara mira\nteset lora\n\n\x01\n\nkara\n\x02\nmira\n"
    manifest = make(world, tmp_path / "records", BertConfig(32, 5, dupe_factor=1), str(write_texts(tmp_path / "a", {"a": text})))
    assert (manifest.counters.read, manifest.counters.kept, manifest.counters.dropped) == (3, 2, {"no_tokens": 1})


def test_without_next_sentence_a_record_is_one_run_of_a_document(world, texts, tmp_path):
    manifest = make(world, tmp_path / "records", BertConfig(32, 5, dupe_factor=1, next_sentence=False), str(texts))
    assert "next_sentence_labels" not in {field.name for field in manifest.schema}
    assert "random_next" not in manifest.statistics["splits"]["train"]
    for features in records(tmp_path / "records", "train"):
        assert not any(features["segment_ids"])
        assert "next_sentence_labels" not in features
    ids = Vocabulary.load(str(world / "vocabulary")).encode((texts / "a.txt").read_text().splitlines()).ids
    tokens = manifest.statistics["splits"]["train"]["tokens"] - 2 * manifest.records
    assert tokens == len(ids) + len(
        Vocabulary.load(str(world / "vocabulary")).encode((texts / "b.txt").read_text().splitlines()).ids
    )


def test_names_of_the_second_version_and_gzip_change_the_form_only(world, texts, tmp_path):
    plain = make(world, tmp_path / "plain", SMALL, str(texts))
    config = BertConfig(32, 5, dupe_factor=2, feature_names="v2", compression="gzip")
    manifest = make(world, tmp_path / "packed", config, str(texts))
    assert [shard.name for shard in manifest.shards] == ["train-00000-of-00001.tfrecord.gz"]
    assert make(world, tmp_path / "again" / "packed", config, str(texts), workers=3).digest == manifest.digest
    (tmp_path / "unpacked").write_bytes(gzip.decompress((tmp_path / "packed" / "train-00000-of-00001.tfrecord.gz").read_bytes()))
    read = [parse_example(record) for record in read_records(str(tmp_path / "unpacked"))]
    renamed = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}
    assert read == [
        {renamed.get(name, name): values for name, values in features.items()}
        for features in records(tmp_path / "plain", "train")
    ]
    assert manifest.records == plain.records


def test_shards_that_are_done_are_not_made_again(world, texts, tmp_path):
    config = BertConfig(32, 5, dupe_factor=3, num_shards=4)
    whole = make(world, tmp_path / "whole" / "records", config, str(texts))
    stage = RecordsStage(str(texts), str(world / "vocabulary"), config)
    output = tmp_path / "records"
    with pytest.raises(KeyboardInterrupt):
        run_stage(_Interrupted(str(texts), str(world / "vocabulary"), config), str(output), workers=1)
    assert not (output / "manifest.json").exists()
    first = output / "train-00000-of-00004.tfrecord"
    written = first.stat().st_mtime_ns
    assert run_stage(stage, str(output), workers=1).digest == whole.digest
    assert first.stat().st_mtime_ns == written
    assert sorted(path.name for path in output.iterdir() if path.name.startswith(".writing")) == []


class _Interrupted(RecordsStage):
    """A stage that is stopped after two shards."""

    def stream(self, tasks, uri, workers):
        for number, result in enumerate(super().stream(tasks, uri, workers)):
            if number == 2:
                raise KeyboardInterrupt
            yield result


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"max_seq_length": 4}, "must be from 5 to 65536"),
        ({"max_seq_length": 10**12}, "must be from 5 to 65536"),
        ({"random_seed": 10**30}, "must be from -1000000000000000 to 1000000000000000"),
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
