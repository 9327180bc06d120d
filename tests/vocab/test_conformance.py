"""`Vocabulary.encode` gives the ids of BERT's own tokenizer: every code point, generated lines, real lines."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import orjson
import pyarrow as pa
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from tests.conversation_datasets import REAL_DATA, made_examples
from tests.vocab.reference_tokenizer import ReferenceTokenizer, reference_words
from threadmill.vocab.bert_text import PAGE, TextRules, split_words
from threadmill.vocab.vocabulary import Vocabulary

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SURROGATES = range(0xD800, 0xE000)
UNIFORM = [range(0x3500, 0x9F00), range(0xAD00, 0xD700), range(0xE100, 0xF800), range(0x20100, 0x2A600), range(0x2A800, 0x2CE00)]
MOST = [point for point in range(0x32400) if point % 11 == 0 or not any(point in block for block in UNIFORM)]
BETWEEN = [*range(0xE0000, 0xE0200), *range(0x32400, 0x110000, 997)]
CASES = pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])


def assert_same(vocabulary, lines):
    reference = ReferenceTokenizer(vocabulary.tokens, vocabulary.lowercase)
    found = vocabulary.encode(lines)
    assert len(found) == len(lines)
    for number, line in enumerate(lines):
        if found[number].tolist() != (expected := reference.encode(line)):
            names = [[vocabulary.tokens[each] for each in ids] for ids in (found[number].tolist(), expected)]
            raise AssertionError(f"{line!r}: {names[0]} is not {names[1]}")


def characters(points):
    return [chr(point) for point in points if point not in SURROGATES]


def one_token_a_character(points, lowercase):
    """A vocabulary that hides nothing: what became of a character, and where it stood, can be told from the ids."""
    letters = dict.fromkeys(letter for each in characters(points) for word in reference_words(each, lowercase) for letter in word)
    letters.update(dict.fromkeys("ab"))
    return Vocabulary((*SPECIALS, *letters, *(f"##{letter}" for letter in letters)), lowercase)


def assert_same_for_each(points, lowercase):
    vocabulary = one_token_a_character(points, lowercase)
    alone_and_inside = [f"{letter} a{letter}b" for letter in characters(points)]
    assert_same(vocabulary, [" ".join(alone_and_inside[start : start + 50]) for start in range(0, len(alone_and_inside), 50)])


@CASES
def test_every_kind_of_code_point_alone_and_inside_a_word(lowercase):
    assert_same_for_each([*MOST, *BETWEEN], lowercase)


@pytest.mark.slow
@CASES
def test_every_code_point_alone_and_inside_a_word(lowercase):
    for start in range(0, 0x110000, 0x22000):
        assert_same_for_each(range(start, start + 0x22000), lowercase)


@cache
def mixed_vocabulary(lowercase):
    points = [*range(0x2100), *range(0x3000, 0x3100), 0x65E5, 0x1B44, 0x1D165, 0x1D15F, 0x302E, 0x1F600, 0x20000, 0xFB03, 0xAC01]
    single = one_token_a_character(points, lowercase).tokens
    return Vocabulary((*single, "ab", "aba", "##ab", "##bab", "σα", "##ας", "##ασ", "[unused0]", "a\u0301", "the"), lowercase)


ODD = "abAB ,.'-:[]#Σ\u03a3ςσΑα\u0345İıßſK\u0301\u0327\u0323\u1dfa\u302e\u1b44\U0001d165\U0001d15f\u0958각\u1100日\uf900"
ODD += "\U0002f800\u00ad\u200b\u200d\ufeff\u00a0\u3000\u2028\u2029\x00\x0b\x0c\x1c\x1f\x7f\x85\t\r\n\ufffd\ue000\U000f0000"
ODD += "\u0378`\u1fef\u037e«»؟،"
TEXT = st.text(st.sampled_from(ODD), max_size=24) | st.text(max_size=24)
LONG_TEXT = st.text(st.sampled_from("abé日\u0301Σ'\x00"), max_size=3)
LONG = st.builds(lambda text, count: text * count, LONG_TEXT, st.integers(60, 210))


@CASES
@given(st.lists(TEXT | LONG, max_size=6))
@example(["", " ", "\n", "\x00", "a\x00b", "\x00\x00a"])
@example(["ΑΣ", "ΑΣ'Α", "ΑΣ'", "Σ", "Σ'Σ", "Α.Σ \u00adΣ", "ΑΣ\u0301Α", "ΑΣ\u00a0Α", "aΣ,b"])
@example(["[MASK]", "a[PAD]b", "##ab", "a##ab", "[unused0]"])
@example(["a" * 200, "a" * 201, "é" * 200, "é" * 201, "e\u0301" * 200, "\x00" * 900 + "a"])
def test_generated_lines(lowercase, lines):
    assert_same(mixed_vocabulary(lowercase), lines)


@given(st.text(st.sampled_from(ODD), max_size=24), st.booleans())
def test_the_exact_path_alone_is_the_reference(text, lowercase):
    assert split_words(text, lowercase) == reference_words(text, lowercase)


@CASES
def test_no_code_point_becomes_more_tokens_than_it_has_bytes(lowercase):
    rules = TextRules(lowercase)  # the buffer of ids relies on it
    in_use = range(0x32400 // PAGE)
    for page in in_use:
        rules.add_page(page)
    pages, bounds, content = rules.tables
    lengths = np.diff(bounds[pages[: len(in_use)]], axis=1).reshape(-1)
    for point in np.flatnonzero(lengths > 1).tolist():
        start = bounds[pages[point // PAGE], point % PAGE]
        text = bytes(content[start : start + lengths[point]]).decode()
        assert len(text.replace(" ", "")) <= len(chr(point).encode())


def frequent_words(lines, size, lowercase):
    """A vocabulary of the characters, bare and inside words, of the most frequent words, and of the ends of the next ones."""
    words = Counter(word for line in lines for word in reference_words(line, lowercase))
    letters = sorted({letter for word in words for letter in word})
    ranked = [word for word, _ in words.most_common(size) if len(word) > 1]
    half = len(ranked) // 2
    tokens = [*SPECIALS, *letters, *(f"##{letter}" for letter in letters), *ranked[:half]]
    tokens += [f"##{word[len(word) // 2 :]}" for word in ranked[half:]]
    return Vocabulary(tuple(dict.fromkeys(tokens)), lowercase)


def real_lines():
    if not REAL_DATA.exists():
        return {"made": [text for _, turns in made_examples(200) for text in turns]}
    found = {path.stem: path.read_text("utf-8").split("\n") for path in sorted((REAL_DATA / "text").glob("*.txt"))}
    for folder in ("arabic", "amazon"):
        found[folder] = [line for path in (REAL_DATA / folder).iterdir() for line in path.read_text("utf-8").split("\n")]
    for dump in sorted((REAL_DATA / "reddit").iterdir()):
        content = dump.read_bytes()
        if dump.suffix == ".zst":
            content = zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj().decompress(content)
        found[dump.stem] = [orjson.loads(line).get("body", "") for line in content.splitlines() if line]
    return found


@CASES
def test_a_sample_of_real_lines(lowercase):
    lines = [line for group in real_lines().values() for line in random.Random(1).sample(group, min(250, len(group)))]
    assert_same(frequent_words(lines[::2], 3000, lowercase), lines)


@pytest.mark.slow
@CASES
@pytest.mark.parametrize("size", [1000, 8000, 30_000])
def test_all_real_lines(lowercase, size):
    groups = real_lines()
    vocabulary = frequent_words([line for group in groups.values() for line in group[::3]], size, lowercase)
    for lines in groups.values():
        assert_same(vocabulary, lines)


def test_threads_that_share_a_vocabulary_get_the_ids_of_one():
    lines = [text for _, turns in made_examples(300) for text in turns] + ["ΑΣ Σ'Α naïve 日本", "한국어 العربية"] * 50
    shared, alone = frequent_words(lines, 500, True), frequent_words(lines, 500, True)
    parts = [pa.array(lines[start : start + 100], pa.large_string()) for start in range(0, len(lines), 100)] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared.encode, parts))
    for part, result in zip(parts, found, strict=True):
        assert result.ids.tolist() == alone.encode(part).ids.tolist()


def test_more_chunks_than_the_cache_holds_and_more_ids_than_were_made_room_for():
    digits = "0123456789"
    vocabulary = Vocabulary((*SPECIALS, *digits, *(f"##{digit}" for digit in digits), ","))
    lines = [f"{number} {number * 7919} {number * 104729 % 999983}" for number in range(120_000)] + ["," * 500_000, "1" * 50]
    found = vocabulary.encode(lines)
    reference = ReferenceTokenizer(vocabulary.tokens, True)
    for line in [*range(0, 120_000, 997), 120_000, 120_001]:
        assert found[line].tolist() == reference.encode(lines[line])
