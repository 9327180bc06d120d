import os
import subprocess
import sys

import pyarrow as pa
import pytest
from tokenizers import Tokenizer

from tests.conversation_datasets import REAL_DATA, made_examples
from threadmill.errors import ConfigError, InputError
from threadmill.vocab.config import SPECIAL_TOKENS, VocabularyConfig
from threadmill.vocab.vocabulary import Vocabulary
from threadmill.vocab.wordpiece import tokenizer_json, train_wordpiece


def train(lines, **settings):
    return train_wordpiece(pa.array(lines, pa.large_string()), VocabularyConfig(**settings)).tokens


PROSE = [text for _, turns in made_examples(60) for text in turns]

_DIGEST_OF_TRAINING = """
import hashlib, sys
import pyarrow as pa
from tests.conversation_datasets import made_examples
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.wordpiece import tokenizer_json, train_wordpiece

lines = [text for _, turns in made_examples(60) for text in turns]
lines += ["Ωμέγα ἀρχή", "слово речь", "naïve façade", "日本語 テスト", "مرحبا بالعالم", "zu Ende", "x1 y2 z3"] * 3
tokens = train_wordpiece(pa.array(lines, pa.large_string()), VocabularyConfig(vocab_size=400)).tokens
print(hashlib.sha256(tokenizer_json(tokens, True).encode()).hexdigest(), len(tokens))
"""


def test_training_gives_the_same_bytes_in_every_process():
    runs = [
        subprocess.run(
            [sys.executable, "-c", _DIGEST_OF_TRAINING],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "RAYON_NUM_THREADS": str(threads)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed, threads in ((1, 1), (2, 2), (3, 4))
    ]
    assert len(set(runs)) == 1
    assert int(runs[0].split()[1]) > 200


def test_special_tokens_come_first():
    assert tuple(train(PROSE, vocab_size=100)[:5]) == SPECIAL_TOKENS


def test_tokens_are_distinct_and_no_more_than_asked_for():
    tokens = train(PROSE, vocab_size=80)
    assert len(tokens) == len(set(tokens)) == 80


def test_a_letter_is_there_both_bare_and_inside_a_word():
    tokens = train(["ab ab ab", "c"], vocab_size=20)
    assert {"a", "b", "c", "##a", "##b", "##c"} <= set(tokens)
    assert "ab" in tokens


def test_punctuation_and_ideographs_which_stand_alone_have_no_form_inside_words():
    tokens = train(["one, two! 日本"], vocab_size=40)
    assert {",", "!", "日", "本"} <= set(tokens)
    assert not {"##,", "##!", "##日", "##本"} & set(tokens)


def test_the_alphabet_keeps_the_most_frequent_characters_and_of_equal_ones_the_first():
    tokens = train(["d d d", "c c", "b b", "a"], vocab_size=30, limit_alphabet=2)
    assert [token for token in tokens[5:] if not token.startswith("##")] == ["b", "d"]


def test_uncased_text_is_lower_cased_and_stripped_of_accents():
    assert {"e", "c"} <= set(train(["É Ç"], vocab_size=20))
    assert {"É", "Ç"} <= set(train(["É Ç"], vocab_size=20, lowercase=False))


def test_a_size_that_cannot_hold_the_alphabet_is_refused_with_the_size_that_can():
    with pytest.raises(ConfigError, match="raise it to 11 or more") as error:
        train(["abc"], vocab_size=8)
    assert "\n" not in str(error.value)
    assert len(train(["abc"], vocab_size=11)) == 11


@pytest.mark.parametrize("settings", [{"vocab_size": 5}, {"kind": "bytes"}, {"min_frequency": 0}, {"sample_lines": 0}])
def test_settings_of_no_use_are_refused(settings):
    with pytest.raises(ConfigError):
        VocabularyConfig(**settings)


@pytest.mark.parametrize("lines", [[], ["", "  \n "], ["\x00\u200b"]])
def test_a_corpus_without_words_is_refused(lines):
    with pytest.raises(InputError, match="no line of the corpus has a word"):
        train(lines)


def test_a_special_token_in_the_text_is_trained_on_as_text():
    tokens = train(["[MASK] [MASK]"] * 5, vocab_size=40)
    assert "mask" in tokens
    assert tokens.count("[MASK]") == 1


def test_tokenizer_json_frames_sentences_and_decodes():
    tokenizer = Tokenizer.from_str(tokenizer_json(train(PROSE, vocab_size=120), lowercase=True))
    encoding = tokenizer.encode("kara teset", "suush")
    assert encoding.tokens[0] == "[CLS]"
    assert encoding.tokens.count("[SEP]") == 2
    assert encoding.type_ids[-1] == 1
    assert tokenizer.decode(encoding.ids) == "kara teset suush"


def test_real_prose_in_two_scripts_has_almost_no_unknown_word():
    if not REAL_DATA.exists():
        return
    lines = (REAL_DATA / "text" / "Doyle_Hound_1902.txt").read_text("utf-8").splitlines()
    lines += (REAL_DATA / "arabic" / "ar_lines.txt").read_text("utf-8").splitlines()
    vocabulary = Vocabulary(tuple(train(lines[::2], vocab_size=4000)))
    unseen = vocabulary.encode(lines[1::2]).ids
    words = (~vocabulary.continuations[unseen]).sum()
    assert words > 40_000
    assert (unseen == vocabulary.ids["[UNK]"]).sum() / words < 0.001
