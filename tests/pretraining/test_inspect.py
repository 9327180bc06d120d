import re
from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, write_conversations
from tests.pretraining.made_records import make_records, write_text, write_vocabulary
from threadmill.cli import main
from threadmill.datasets.dataset import Dataset
from threadmill.errors import InputError
from threadmill.pretraining.config import BertConfig, CausalConfig, RobertaConfig, Seq2SeqConfig
from threadmill.pretraining.inspect import describe_record, inspect_records
from threadmill.reports.summary import summary
from threadmill.vocab.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##seen", "word", "here"))
UN, SEEN, WORD, HERE = range(5, 9)
BERT = {
    "input_ids": [2, UN, SEEN, 4, 3, WORD, HERE, 3, 0, 0],
    "input_mask": [1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
    "segment_ids": [0, 0, 0, 0, 0, 1, 1, 1, 0, 0],
    "masked_lm_positions": [3, 5, 6, 0],
    "masked_lm_ids": [WORD, HERE, HERE, 0],
    "masked_lm_weights": [1.0, 1.0, 1.0, 0.0],
    "next_sentence_labels": [1],
}


def test_masks_segments_and_label_are_marked():
    assert describe_record(BERT, VOCABULARY) == (
        "A        [CLS] unseen {[MASK]=word} [SEP]\nB random {word=here} {here=here} [SEP]"
    )
    assert "B next   {word" in describe_record({**BERT, "next_sentence_labels": [0]}, VOCABULARY)


def test_the_model_garden_s_names_read_as_googles():
    names = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}
    features = {names.get(name, name): values for name, values in BERT.items()}
    assert describe_record(features, VOCABULARY) == describe_record(BERT, VOCABULARY)


def test_records_without_a_label_are_one_run():
    features = {**BERT, "segment_ids": [0] * 10}
    del features["next_sentence_labels"]
    wanted = "[CLS] unseen {[MASK]=word} [SEP] {word=here} {here=here} [SEP]"
    assert describe_record(features, VOCABULARY) == wanted
    del features["segment_ids"]  # RoBERTa's with static masks
    assert describe_record(features, VOCABULARY) == wanted
    for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"):
        del features[name]  # and without
    assert describe_record(features, VOCABULARY) == "[CLS] unseen [MASK] [SEP] word here [SEP]"


def test_what_would_move_the_cursor_is_written_as_an_escape():
    vocabulary = Vocabulary((*VOCABULARY.tokens, "a\nb", "\x1b[31m"))
    features = {**BERT, "input_ids": [2, 9, UN, SEEN, 3, WORD, HERE, 3, 0, 0], "masked_lm_ids": [10, HERE, HERE, 0]}
    assert describe_record(features, vocabulary).startswith("A        [CLS] a\\nb un {##seen=\\x1b[31m} [SEP]\nB")


def test_pieces_of_a_word_stay_together_around_a_mask():
    features = {
        "input_ids": [2, UN, 4, SEEN, WORD, 3],
        "input_mask": [1] * 6,
        "masked_lm_positions": [2, 4],
        "masked_lm_ids": [SEEN, UN],
        "masked_lm_weights": [1.0, 1.0],
    }
    assert describe_record(features, VOCABULARY) == "[CLS] un{[MASK]=##seen}seen {word=un} [SEP]"


def test_segments_are_numbered():
    features = {"input_ids": [SEEN, 3, WORD, HERE, 3, 0], "input_mask": [1] * 5 + [0], "segment_ids": [1, 1, 2, 2, 2, 0]}
    assert describe_record(features, VOCABULARY) == "1   ##seen [SEP]\n2   word here [SEP]"


def test_pairs_are_numbered():
    features = {
        "encoder_input_ids": [WORD, 3, HERE, UN, SEEN, 0],
        "encoder_segment_ids": [1, 1, 1, 2, 2, 0],
        "decoder_input_ids": [2, HERE, 2, WORD, 0],
        "decoder_labels": [HERE, 3, WORD, 3, 0],
        "decoder_segment_ids": [1, 1, 2, 2, 0],
    }
    assert describe_record(features, VOCABULARY) == (
        "1   context   word [SEP] here\n    response  [CLS] here [SEP]\n2   context   unseen\n    response  [CLS] word [SEP]"
    )


def test_byte_level_tokens_read_as_text():
    vocabulary = Vocabulary(("<s>", "<pad>", "</s>", "<unk>", "<mask>", "un", "seen", "Ġword", "ĠÃ©"), kind="bytelevel-bpe")
    features = {
        "input_ids": [0, 5, 6, 4, 8, 2, 1],
        "input_mask": [1] * 6 + [0],
        "masked_lm_positions": [3, 0],
        "masked_lm_ids": [7, 0],
        "masked_lm_weights": [1.0, 0.0],
    }
    assert describe_record(features, vocabulary) == "<s> unseen {<mask>=word} é </s>"


def test_features_of_nothing_we_know_and_ids_that_are_not_there_are_told():
    with pytest.raises(InputError, match="the features image, label"):
        describe_record({"label": [1], "image": [b""]}, VOCABULARY)
    with pytest.raises(InputError, match="not among the vocabulary's 9"):
        describe_record({"input_ids": [99], "input_mask": [1]}, VOCABULARY)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """text.txt, conversations/ of two splits, vocabulary/, and records/ of two shards of conversations."""
    folder = tmp_path_factory.mktemp("inspect")
    write_text(folder / "text.txt", [[5, 9, 3], [4, 4], [11, 2, 6], [30, 8]] * 3)
    splits = {"train": [made_examples(8), made_examples(8, seed=1)], "validation": [made_examples(4, seed=2)]}
    write_conversations(folder / "conversations", splits)
    write_vocabulary(folder / "vocabulary", 300)
    config = BertConfig(32, 5, dupe_factor=2, num_shards=2)
    make_records(str(folder / "conversations"), str(folder / "vocabulary"), folder / "records", config)
    return folder


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        (BertConfig(32, 5), r"A {8}\[CLS\] .*\[MASK\](.|\n)*\nB (next|random) "),
        (BertConfig(32, 5, feature_names="v2"), r"A {8}\[CLS\] .*\[MASK\](.|\n)*\nB (next|random) "),
        (BertConfig(32, 5, next_sentence=False), r"\[CLS\] .*\{\[MASK\]=w\d+\}.*\[SEP\]$"),
        (RobertaConfig(max_seq_length=32, max_predictions_per_seq=5, compression="gzip"), r"\[CLS\] w\d+( w\d+| \[SEP\])+$"),
        (
            RobertaConfig(max_seq_length=32, max_predictions_per_seq=5, static_masking=True),
            r"\[CLS\] .*\{\[MASK\]=w\d+\}.*\[SEP\]$",
        ),
        (CausalConfig(max_seq_length=32), r"1   (w\d+ )+.*\n2   w"),
        (
            Seq2SeqConfig(max_seq_length=32, max_target_length=16),
            r"1   context   w\d+.*\n    response  \[CLS\] w\d+.*\[SEP\]\n2   context   w",
        ),
    ],
    ids=["bert", "v2", "one run", "gzip", "static", "causal", "seq2seq"],
)
def test_records_of_every_objective_are_read(world, tmp_path, config, pattern):
    make_records(str(world / "text.txt"), str(world / "vocabulary"), tmp_path / "records", config)
    texts = list(inspect_records(str(tmp_path / "records"), limit=1000))
    assert len(texts) == Dataset.open(str(tmp_path / "records")).manifest.records
    assert any(re.search(pattern, text) for text in texts), texts[0]
    assert all(re.match(r"train-00000-of-00001\.tfrecord(\.gz)?, record \d+\n", text) for text in texts)


def test_show_prints_records_as_inspect_does(world):
    shown = "\n".join(summary(Dataset.open(str(world / "records")), 2))
    for text in inspect_records(str(world / "records"), limit=2):
        assert text in shown


def test_the_limit_goes_across_shards(world):
    everything = list(inspect_records(str(world / "records"), limit=1000))
    first = sum(text.startswith("train-00000") for text in everything)
    assert list(inspect_records(str(world / "records"), limit=first + 2)) == everything[: first + 2]
    assert list(inspect_records(str(world / "records"), limit=0)) == []


def test_one_split_is_read(world):
    texts = list(inspect_records(str(world / "records"), limit=1000, split="validation"))
    assert texts
    assert all(text.startswith("validation-00000-of-00001") for text in texts)
    with pytest.raises(InputError, match="no split test; it has train, validation"):
        inspect_records(str(world / "records"), split="test")


def test_bare_files_are_read_with_a_vocabulary(world, tmp_path):
    vocabulary = Vocabulary.load(str(world / "vocabulary"))
    wanted = list(inspect_records(str(world / "records"), limit=1000, split="train"))
    for shard in Dataset.open(str(world / "records")).shards("train"):
        (tmp_path / shard.name).write_bytes((world / "records" / shard.name).read_bytes())
    assert list(inspect_records(str(tmp_path), vocabulary, 1000)) == wanted
    assert list(inspect_records(str(tmp_path / shard.name), vocabulary, 1)) == [
        text for text in wanted if text.startswith("train-00001") and ", record 0\n" in text
    ]
    with pytest.raises(InputError, match="--vocab"):
        inspect_records(str(tmp_path))
    with pytest.raises(InputError, match="is not there"):
        inspect_records(str(tmp_path / "absent"), vocabulary)
    with pytest.raises(InputError, match="no file whose name has tfrecord"):
        inspect_records(str(world / "vocabulary"), vocabulary)


def test_another_vocabulary_is_refused(world, tmp_path):
    other = write_vocabulary(tmp_path / "other", 301)
    with pytest.raises(InputError, match="another vocabulary"):
        inspect_records(str(world / "records"), Vocabulary.load(other))


def test_a_vocabulary_that_is_gone_is_told(world, tmp_path):
    vocabulary = write_vocabulary(tmp_path / "vocabulary", 5)
    make_records(str(world / "text.txt"), vocabulary, tmp_path / "records", CausalConfig(max_seq_length=32))
    (tmp_path / "vocabulary" / "vocab.txt").unlink()
    (tmp_path / "vocabulary").rmdir()
    with pytest.raises(InputError, match="vocabulary, where it was; name its folder with --vocab"):
        inspect_records(str(tmp_path / "records"))


def test_something_else_than_records_is_refused(world):
    with pytest.raises(InputError, match="stage conversations"):
        inspect_records(str(world / "conversations"))


def test_the_command_prints_what_is_asked_for(world, capsys):
    assert main(["inspect", str(world / "records"), "--records", "2", "--split", "validation"]) == 0
    printed = capsys.readouterr().out
    assert printed.strip("\n").split("\n") == "\n".join(
        inspect_records(str(world / "records"), limit=2, split="validation")
    ).split("\n")
