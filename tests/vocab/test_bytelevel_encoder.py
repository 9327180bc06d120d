"""A byte-level vocabulary gives the ids of Hugging Face tokenizers, which trained it."""

import json
from functools import cache

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.conversation_datasets import REAL_DATA, made_examples
from threadmill.errors import InputError
from threadmill.vocab.bytelevel import train_bytelevel
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.vocabulary import Vocabulary

CASES = pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])
PROSE = [text for _, turns in made_examples(60) for text in turns] + [
    "It's they're I've we'll I'm he'd don't 1234 été naïve ΑΣ 日本"
] * 9


@cache
def trained(lowercase):
    config = VocabularyConfig(kind="bytelevel-bpe", vocab_size=900, lowercase=lowercase)
    training = train_bytelevel(pa.array(PROSE, pa.large_string()), config)
    model = training.files["tokenizer.json"]
    return Vocabulary(tuple(training.tokens), lowercase, kind="bytelevel-bpe", model=model)


@cache
def library(lowercase):
    content = json.loads(trained(lowercase).model)
    return Tokenizer.from_str(json.dumps({**content, "added_tokens": [], "post_processor": None}))


def assert_same(lowercase, lines):
    found = trained(lowercase).encode(lines)
    expected = [encoding.ids for encoding in library(lowercase).encode_batch_fast(lines)]
    for number, line in enumerate(lines):
        assert found[number].tolist() == expected[number], repr(line)


ODD = "abZ ,.'-Σ\u03a3ςΑİıßKé\u0301ȺsStTRreEvVlLmMdD123²½٣Ⅷ日가\u00ad\u200b\u00a0\u3000\u2028"
ODD += "\x00\x0b\x1c\x7f\x85\t\r\n  ''\ufffd\ue000"
TEXT = st.text(st.sampled_from(ODD), max_size=24) | st.text(max_size=16)


@CASES
@given(st.lists(TEXT, max_size=6))
@example(["", " ", "  ", "\t", "\ta", " a", "  a", "a ", "a  ", "a \t b", "\x00", "a\x00", "İ", "'s 's", "it's  'S"])
@example(["<mask></s> <s>", "a" * 600, "é" * 300 + " b", " " * 700 + "a", "'", "''s", "a'", "a'r", "'l"])
def test_generated_lines(lowercase, lines):
    assert_same(lowercase, lines)


@CASES
def test_characters_of_every_script_alone_inside_and_beside_others(lowercase):
    points = [point for point in range(0x20000) if point < 0x1000 or point % 13 == 0]
    letters = [chr(point) for point in points if not 0xD800 <= point < 0xE000]
    pieces = [f"a{letter}1{letter} {letter}!{letter}'{letter}" for letter in letters]
    assert_same(lowercase, [" ".join(pieces[start : start + 40]) for start in range(0, len(pieces), 40)])


@CASES
def test_real_lines(lowercase):
    if not REAL_DATA.exists():
        pytest.skip("needs the real texts beside the repository")
    for path in (REAL_DATA / "text" / "Doyle_Hound_1902.txt", REAL_DATA / "arabic" / "ar_lines.txt"):
        assert_same(lowercase, path.read_text("utf-8").split("\n")[::7])


def test_the_ids_of_special_tokens_never_come_out_of_text():
    vocabulary = trained(True)
    ids = vocabulary.encode(["<s> <pad></s> <unk><mask> <mask>"]).ids
    assert not set(ids.tolist()) & set(vocabulary.special_ids.tolist())


def test_text_can_be_read_again():
    vocabulary = trained(False)
    ids = vocabulary.encode(["It's naïve: 日本 été"]).ids
    specials = vocabulary.specials
    assert vocabulary.decode([specials.cls, *ids, specials.mask]) == "<s> It's naïve: 日本 été <mask>"


def test_words_after_a_space_do_not_go_on():
    vocabulary = trained(True)
    going_on = vocabulary.continuations[vocabulary.encode(["kara kara"]).ids]
    assert (~going_on).sum() == 2
    assert not vocabulary.continuations[vocabulary.special_ids].any()


def test_rules_that_the_loops_do_not_follow_are_refused():
    content = json.loads(trained(True).model)
    model = json.dumps({**content, "normalizer": {"type": "NFC"}}).encode()
    with pytest.raises(InputError, match="rules that this version does not know"):
        Vocabulary(trained(True).tokens, kind="bytelevel-bpe", model=model).encode(["a"])
