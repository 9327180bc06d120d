import os
import random
import subprocess
import sys

import pyarrow as pa
import pytest
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from tests.conversation_datasets import REAL_DATA, made_examples
from threadmill.errors import ConfigError, InputError
from threadmill.vocab.config import SPECIAL_TOKENS, VocabularyConfig
from threadmill.vocab.coverage import measure
from threadmill.vocab.sentencepiece_training import train_sentencepiece
from threadmill.vocab.vocabulary import Vocabulary

KINDS = ("sentencepiece-unigram", "sentencepiece-bpe")
LEXICON = [first + second + last for first in ("ka", "lo", "mi", "su") for second in ("ra", "nim", "dol") for last in "abcdefghi"]
PROSE = [f"{text}. «{text[:9]}»" for _, turns in made_examples(60, words=LEXICON) for text in turns]


def train(lines, kind="sentencepiece-unigram", **settings):
    return train_sentencepiece(pa.array(lines, pa.large_string()), VocabularyConfig(kind=kind, **settings))


_DIGESTS_OF_TRAINING = """
import hashlib, random, sys
import pyarrow as pa
from tests.conversation_datasets import made_examples
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.sentencepiece_training import train_sentencepiece

words = [a + b + c for a in ("ka", "lo", "mi", "su", "te") for b in ("ra", "nim", "dol", "set") for c in "abcdefghij"]
lines = [text for _, turns in made_examples(60, words=words) for text in turns]
lines += ["Ωμέγα ἀρχή", "слово речь", "naïve façade", "日本語 テスト", "مرحبا بالعالم", "zu Ende", "x1 y2 z3"] * 3
random.Random(int(sys.argv[1])).shuffle(lines)
for kind in ("sentencepiece-unigram", "sentencepiece-bpe"):
    for form in ("bert", "sentencepiece"):
        config = VocabularyConfig(kind=kind, form=form, vocab_size=300)
        training = train_sentencepiece(pa.array(lines, pa.large_string()), config)
        print(len(training.tokens), *(hashlib.sha256(content).hexdigest() for content in training.files.values()))
"""


def test_training_gives_the_same_bytes_in_every_process_and_order():
    runs = [
        subprocess.run(
            [sys.executable, "-c", _DIGESTS_OF_TRAINING, str(seed)],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": str(seed)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in (1, 2)
    ]
    assert len(set(runs)) == 1
    assert all(int(line.split()[0]) > 250 for line in runs[0].splitlines())


@pytest.mark.parametrize("kind", KINDS)
class TestConverted:
    def test_has_the_size_asked_for_distinct_tokens_and_no_blank_line(self, kind):
        training = train(PROSE, kind, vocab_size=150)
        assert training.files["vocab.txt"].decode().split("\n")[:-1] == training.tokens
        assert len(training.tokens) == len(set(training.tokens)) == 150
        assert all(token.strip() for token in training.tokens)
        assert tuple(training.tokens[:5]) == SPECIAL_TOKENS

    def test_every_character_is_there_bare_and_as_a_continuation(self, kind):
        tokens = set(train(["zebra, «quiz»", "aza"] * 9, kind, vocab_size=60).tokens)
        letters = set("zebraqui,«»")
        assert letters | {f"##{letter}" for letter in letters} <= tokens

    def test_a_letter_that_was_seen_only_inside_words_begins_one(self, kind):
        training = train(["axa bxb"] * 9, kind, vocab_size=30)
        vocabulary = Vocabulary(tuple(training.tokens))
        assert vocabulary.specials.unk not in vocabulary.encode(["xab x bx"]).ids

    def test_text_is_trained_on_as_berts_tokenizer_sees_it(self, kind):
        tokens = train(["Élan\u200b-VITAL"] * 20, kind, vocab_size=40).tokens
        assert {"elan", "vital"} <= set(tokens)
        cased = train(["Élan\u200b-VITAL"] * 20, kind, vocab_size=40, lowercase=False).tokens
        assert {"Élan", "VITAL"} <= set(cased)

    def test_words_with_a_rare_character_are_left_out_of_the_alphabet(self, kind):
        tokens = train(["ab ab ab", "a☃b"], kind, vocab_size=20, limit_alphabet=2).tokens
        assert "☃" not in tokens
        assert "ab" in tokens

    def test_marks_of_the_trainer_in_the_text_are_characters_as_others(self, kind):
        tokens = set(train(["a▁b ▅ c▅", "ab"] * 5, kind, vocab_size=30).tokens)
        assert {"▁", "##▁", "▅", "##▅"} <= tokens

    def test_a_frequent_word_that_begins_no_other_is_one_token(self, kind):
        lines = [f"oliver {word} and oliver" for word in LEXICON]
        assert "oliver" in train(lines, kind, vocab_size=60).tokens

    def test_a_size_that_cannot_hold_the_alphabet_is_refused_with_the_size_that_can(self, kind):
        with pytest.raises(ConfigError, match="raise it to 11 or more") as error:
            train(["abc"], kind, vocab_size=8)
        assert "\n" not in str(error.value)
        assert len(train(["abc"], kind, vocab_size=11).tokens) == 11

    def test_fewer_subwords_than_asked_for_are_no_fault(self, kind):
        assert 11 < len(train(["abc abc"], kind, vocab_size=5000).tokens) < 20

    @pytest.mark.parametrize("lines", [[], ["", "  \n "], ["\x00\u200b"]])
    def test_a_corpus_without_words_is_refused(self, kind, lines):
        with pytest.raises(InputError, match="no line of the corpus has a word"):
            train(lines, kind)

    def test_a_very_long_word_does_not_stop_the_trainer(self, kind):
        assert "ab" in train(["x" * 100_000, "ab ab ab"], kind, vocab_size=40).tokens

    def test_held_out_prose_has_almost_no_unknown_word(self, kind):
        for lines in _prose():
            training = train(lines[::2], kind, vocab_size=6000)
            vocabulary = Vocabulary(tuple(training.tokens))
            coverage = measure(vocabulary, vocabulary.encode(lines[1::2]).ids, len(lines) // 2)
            assert coverage.words > 5_000
            assert coverage.unknown_rate <= 0.001


@pytest.mark.parametrize("kind", KINDS)
class TestKept:
    def test_ids_are_the_models_own_and_special_ones_first(self, kind):
        training = train(PROSE, kind, form="sentencepiece", vocab_size=120)
        processor = SentencePieceProcessor(model_proto=training.files["spiece.model"])
        assert training.tokens == [processor.id_to_piece(number) for number in range(len(processor))]
        assert len(training.tokens) == 120
        assert training.tokens[:5] == ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
        assert (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()) == (0, 1, 2, 3)

    def test_a_special_tokens_name_in_the_text_is_text(self, kind):
        model = train(PROSE, kind, form="sentencepiece", vocab_size=120).files["spiece.model"]
        assert not set(SentencePieceProcessor(model_proto=model).encode("<mask> <s>")) & {0, 2, 3, 4}

    def test_text_is_lower_cased_if_asked(self, kind):
        model = train(["ELAN vital", "elan vitae"] * 20, kind, form="sentencepiece", vocab_size=30).files["spiece.model"]
        processor = SentencePieceProcessor(model_proto=model)
        assert processor.encode("Elan") == processor.encode("elan")
        assert "▁elan" in processor.encode("Elan", out_type=str)

    def test_hugging_faces_tokenizer_gives_the_same_ids(self, kind):
        lines = [line for part in _prose() for line in part][:20_000:4]
        files = train(lines[::2], kind, form="sentencepiece", vocab_size=400).files
        processor = SentencePieceProcessor(model_proto=files["spiece.model"])
        tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
        odd = ["", "  two  spaces ", "tab\tbetween", "naïve ﬁne ①", "日本 🙂👍🏽", "e\u0301 \u200b zero"]
        for text in [*lines, *odd]:
            assert tokenizer.encode(text, add_special_tokens=False).ids == processor.encode(text), text

    def test_what_can_be_cut_in_two_ways_of_one_score_is_cut_alike_whatever_stands_before(self, kind):
        lines = PROSE + [word + "?" * count for count in (1, 3, 8) for word in LEXICON[:9]] * 30
        files = train(lines, kind, form="sentencepiece", vocab_size=170).files
        processor = SentencePieceProcessor(model_proto=files["spiece.model"])
        tokenizer = Tokenizer.from_str(files["tokenizer.json"].decode())
        draw = random.Random(0)
        for number in range(400):
            text = " ".join(draw.choices(LEXICON, k=number % 40)) + "?" * (1 + number % 13)
            assert tokenizer.encode(text, add_special_tokens=False).ids == processor.encode(text), text

    def test_a_stretch_without_spaces_is_cut_and_no_character_is_lost(self, kind):
        training = train(["日本語" * 3000, "a▁b▅\x00c"], kind, form="sentencepiece", vocab_size=40)
        assert set("日本語abc") <= set("".join(training.tokens[5:]))

    def test_a_size_that_cannot_hold_the_alphabet_is_refused_with_the_size_that_can(self, kind):
        with pytest.raises(ConfigError, match="raise it to 9 or more"):
            train(["abc"], kind, form="sentencepiece", vocab_size=8)
        assert len(train(["abc"], kind, form="sentencepiece", vocab_size=9).tokens) == 9


def _prose():
    """English and Arabic lines: real ones where they are, or words of letters in all places."""
    if REAL_DATA.exists():
        for name in ("text/Doyle_Hound_1902.txt", "arabic/ar_lines.txt"):
            yield [line for line in (REAL_DATA / name).read_text("utf-8").splitlines() if line]
    else:
        yield PROSE * 20
