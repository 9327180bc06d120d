from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.generation.made import SEQ, TARGET, TOKENS, make_model
from tests.training.made import CLS, FIRST, SEP
from threadmill.errors import ConfigError, InputError
from threadmill.training.generation.config import GenerationConfig
from threadmill.training.generation.model_files import open_model
from threadmill.training.generation.replies import Replier, without_spaces_at_signs
from threadmill.training.generation.search import SearchSpace, search

pytestmark = pytest.mark.keras

CONTEXTS = [["w1 w2 w3"], ["w4 w5", "w6"], ["w7 w8 w9 w10", "w11 w12 w13", "w14 w15 w16 w17 w18"]]


class WholeModel:
    """The next token by a call of the whole model on all tokens so far, without caches."""

    def __init__(self, model: keras.Model, contexts: Sequence[Sequence[int]]) -> None:
        self._model, self._contexts = model, contexts
        self._read: list[tuple[int, tuple[int, ...]]] = []

    def __call__(self, parents: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        before = self._read or [(index, ()) for index in range(len(self._contexts))]
        pairs = zip(parents, tokens, strict=True)
        self._read = [(before[parent][0], (*before[parent][1], int(token))) for parent, token in pairs]
        length = len(self._read[0][1])
        encoder, segments = np.zeros((2, len(tokens), SEQ), np.int32)
        for row, (context, _) in enumerate(self._read):
            ids = self._contexts[context]
            encoder[row, : len(ids)], segments[row, : len(ids)] = ids, 1
        inputs = {
            "encoder_token_ids": encoder,
            "encoder_segment_ids": segments,
            "decoder_token_ids": np.array([tokens for _, tokens in self._read]),
            "decoder_segment_ids": np.ones((len(tokens), length), np.int32),
        }
        return keras.ops.convert_to_numpy(self._model(inputs)["response"])[:, -1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "seq2seq"


@pytest.fixture(scope="module")
def model(folder: Path) -> keras.Model:
    return make_model(folder, "seq2seq")


def replies(folder: Path, contexts: Sequence[Sequence[str]], config: GenerationConfig, first: int = 0) -> list[list[str]]:
    replier = Replier(open_model(str(folder)), config)
    return list(replier.answer([replier.read(turns, "it") for turns in contexts], first))


def test_replies_are_those_of_the_whole_model(folder: Path, model: keras.Model) -> None:
    config = GenerationConfig(search="beam", beam_size=3, num_replies=2, min_length=2)
    ids = [[6, 7, 8], [9, 10, SEP, 11], [16, 17, 18, SEP, 19, 20, 21, 22, 23]]  # of the last one the newest turns that fit
    space = SearchSpace(CLS, SEP, np.arange(TOKENS) >= FIRST, TARGET - 1)

    expected = search(WholeModel(model, ids), ids, space, config)

    found = replies(folder, CONTEXTS, config)
    assert found == [[" ".join(f"w{token - FIRST}" for token in reply.ids) for reply in of_one] for of_one in expected]
    assert len({reply for of_one in found for reply in of_one}) > 2  # they differ


def test_draws_depend_on_seed_and_number(folder: Path, model: keras.Model) -> None:
    config = GenerationConfig(search="nucleus", temperature=3.0, top_p=1.0, num_replies=2, seed=3)
    found = replies(folder, CONTEXTS, config)

    assert replies(folder, CONTEXTS, config) == found
    assert replies(folder, CONTEXTS[1:2], config, first=1) == found[1:2]
    assert replies(folder, CONTEXTS, GenerationConfig(search="nucleus", temperature=3.0, top_p=1.0, num_replies=2)) != found
    words = {word for of_one in found for reply in of_one for word in reply.split()}
    assert words <= {f"w{number}" for number in range(TOKENS - FIRST)}  # no special token


def test_text_is_continued_in_the_room_that_is_left(tmp_path: Path) -> None:
    model = make_model(tmp_path / "causal", "causal")
    config = GenerationConfig(search="greedy", min_length=100, block_ngram=0)

    (alone,), (long,) = replies(tmp_path / "causal", [["w1 w2 w3"], ["w1", "w4 w5 w6 w7 w8"]], config)

    expected = [FIRST + 1, FIRST + 2, FIRST + 3]
    while len(expected) < SEQ:
        inputs = {"token_ids": np.array([expected]), "segment_ids": np.ones((1, len(expected)), int)}
        logits = keras.ops.convert_to_numpy(model(inputs)["next_token"])[0, -1]
        expected.append(FIRST + int(np.argmax(logits[FIRST:])))
    assert alone == " ".join(f"w{token - FIRST}" for token in expected[3:])
    assert len(long.split()) == SEQ - 7
    replier = Replier(open_model(str(tmp_path / "causal")), config)
    with pytest.raises(InputError, match="line 2 has 12 tokens, and the model takes 12 with those that it adds; shorten"):
        replier.read([" ".join(["w1"] * 12)], "line 2")


def test_context_without_words_and_replies_too_long_are_refused(folder: Path, model: keras.Model) -> None:
    with pytest.raises(InputError, match="it has no token of the model's vocabulary; write some words"):
        replies(folder, [["\u200b"]], GenerationConfig())
    with pytest.raises(ConfigError, match="max_length is 9, and the replies of this model have 8 tokens at most; set it to that"):
        Replier(open_model(str(folder)), GenerationConfig(max_length=9))


def test_signs_stand_as_people_set_them() -> None:
    assert without_spaces_at_signs("don ' t , ( you ) . . . 5 % !") == "don't, (you)... 5%!"
