import json
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from tokenizers import ByteLevelBPETokenizer, Tokenizer

from tests.conversation_datasets import made_examples
from threadmill.errors import ConfigError, InputError
from threadmill.vocab.bytelevel import train_bytelevel
from threadmill.vocab.config import VocabularyConfig

PROSE = [text for _, turns in made_examples(60) for text in turns]


def train(lines, **settings):
    return train_bytelevel(pa.array(lines, pa.large_string()), VocabularyConfig(kind="bytelevel-bpe", **settings))


_DIGEST_OF_TRAINING = """
import hashlib, random, sys
import pyarrow as pa
from tests.conversation_datasets import made_examples
from threadmill.vocab.bytelevel import train_bytelevel
from threadmill.vocab.config import VocabularyConfig

lines = [text for _, turns in made_examples(60) for text in turns] + ["日本語 テスト", "مرحبا بالعالم", "naïve"] * 3
random.Random(int(sys.argv[1])).shuffle(lines)
training = train_bytelevel(pa.array(lines, pa.large_string()), VocabularyConfig(kind="bytelevel-bpe", vocab_size=350))
print(len(training.tokens), *(hashlib.sha256(content).hexdigest() for content in training.files.values()))
"""


def test_training_gives_the_same_bytes_in_every_process_and_order():
    runs = [
        subprocess.run(
            [sys.executable, "-c", _DIGEST_OF_TRAINING, str(seed)],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "RAYON_NUM_THREADS": str(seed)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in (1, 2)
    ]
    assert len(set(runs)) == 1
    assert runs[0].startswith("350 ")


def test_special_tokens_come_first_then_all_bytes():
    training = train(PROSE, vocab_size=300)
    assert training.tokens[:5] == ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert len(set(training.tokens)) == 300
    assert all(len(token) == 1 for token in training.tokens[5:261])


def test_the_files_hold_the_same_entries():
    files = train(PROSE, vocab_size=300).files
    tokens = files["vocab.txt"].decode().split("\n")[:-1]
    assert json.loads(files["vocab.json"]) == {token: number for number, token in enumerate(tokens)}
    assert json.loads(files["tokenizer.json"])["model"]["vocab"] == json.loads(files["vocab.json"])
    assert len(files["merges.txt"].decode().splitlines()) == 1 + 300 - 261


def test_vocab_json_and_merges_give_the_ids_of_tokenizer_json(tmp_path):
    for name, content in train(PROSE, vocab_size=300).files.items():
        (tmp_path / name).write_bytes(content)
    ours = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    public = ByteLevelBPETokenizer.from_file(
        str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), add_prefix_space=True, lowercase=True
    )
    for line in ["Kara teset, suush!", "naïve 日本 \x00\t", ""]:
        assert ours.encode(line, add_special_tokens=False).ids == public.encode(line).ids


def test_text_comes_back_from_its_ids():
    tokenizer = Tokenizer.from_str(train(PROSE, vocab_size=300).files["tokenizer.json"].decode())
    assert tokenizer.decode(tokenizer.encode("naïve 日本 ☃").ids).strip() == "naïve 日本 ☃"


def test_two_texts_are_framed_as_robertas_are():
    tokenizer = Tokenizer.from_str(train(PROSE, vocab_size=300).files["tokenizer.json"].decode())
    tokens = tokenizer.encode("kara", "suush").tokens
    assert (tokens[0], tokens[-1], tokens.count("</s>")) == ("<s>", "</s>", 3)


def test_cased_text_keeps_its_capitals():
    assert "ĠAb" in train(["Ab Ab"] * 5, vocab_size=270, lowercase=False).tokens
    assert "Ġab" in train(["Ab Ab"] * 5, vocab_size=270).tokens


def test_a_size_that_cannot_hold_the_bytes_is_refused_with_the_size_that_can():
    with pytest.raises(ConfigError, match="raise it to 261 or more"):
        train(PROSE, vocab_size=260)
    assert len(train(PROSE, vocab_size=261).tokens) == 261


@pytest.mark.parametrize("lines", [[], [""]])
def test_a_corpus_without_text_is_refused(lines):
    with pytest.raises(InputError, match="no line of the corpus has a word"):
        train(lines, vocab_size=300)
