import re
from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, write_conversations
from threadmill.engine.run import run_stage
from threadmill.errors import InputError
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.inspect import describe_record, inspect_records
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import SPECIAL_TOKENS, VocabularyConfig
from threadmill.vocab.stage import VocabularyStage
from threadmill.vocab.vocabulary import Vocabulary

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, "un", "##seen", "word", "here"))


def test_masks_segments_and_label_are_marked():
    features = {
        "input_ids": [2, 5, 6, 4, 3, 7, 8, 3, 0, 0],
        "input_mask": [1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
        "segment_ids": [0, 0, 0, 0, 0, 1, 1, 1, 0, 0],
        "masked_lm_positions": [3, 5, 6, 0],
        "masked_lm_ids": [7, 8, 8, 0],
        "masked_lm_weights": [1.0, 1.0, 1.0, 0.0],
        "next_sentence_labels": [1],
    }
    assert describe_record(features, VOCABULARY) == (
        "A        [CLS] unseen {[MASK]=word} [SEP]\nB random {word=here} {here=here} [SEP]"
    )
    assert "B next   {word" in describe_record({**features, "next_sentence_labels": [0]}, VOCABULARY)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    conversations = write_conversations(tmp_path / "conversations", {"train": [made_examples(8), made_examples(8, seed=1)]})
    run_stage(VocabularyStage(conversations, VocabularyConfig(vocab_size=90)), str(tmp_path / "vocabulary"))
    stage = RecordsStage(conversations, str(tmp_path / "vocabulary"), BertConfig(32, 5, dupe_factor=1))
    run_stage(stage, str(tmp_path / "records"), workers=1)
    return tmp_path


def test_records_read_as_the_turns_they_were_made_from(world):
    turns = " | ".join(turn for seed in (0, 1) for _, turns in made_examples(8, seed=seed) for turn in turns)
    texts = list(inspect_records(str(world / "records"), limit=1000))
    assert len(texts) > 20
    for text in texts:
        place, a, b = text.split("\n")
        assert re.fullmatch(r"train-0000[01]-of-00002\.tfrecord, record \d+", place)
        assert b.startswith(("B next", "B random"))
        first = re.sub(r"\{[^=]*=([^}]*)\}", r"\1", a).removeprefix("A        [CLS] ").removesuffix(" [SEP]").split()
        assert any(word.removeprefix("##") in turns for word in first)


def test_the_limit_goes_across_shards(world):
    everything = list(inspect_records(str(world / "records"), limit=1000))
    first = sum(text.startswith("train-00000") for text in everything)
    assert list(inspect_records(str(world / "records"), limit=first + 2)) == everything[: first + 2]
    assert list(inspect_records(str(world / "records"), limit=0)) == []


def test_another_vocabulary_is_refused(world):
    run_stage(VocabularyStage(str(world / "conversations"), VocabularyConfig(vocab_size=95)), str(world / "other"))
    with pytest.raises(InputError, match="another vocabulary"):
        inspect_records(str(world / "records"), Vocabulary.load(str(world / "other")))


def test_something_else_than_records_is_refused(world):
    with pytest.raises(InputError, match="stage vocabulary"):
        inspect_records(str(world / "vocabulary"))
