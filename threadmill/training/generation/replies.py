"""Replies of a trained model to conversations, and its continuations of texts. Imports Keras: its backend is to be set before."""

import re
from collections.abc import Iterator, Sequence

import keras
import keras_hub  # noqa: F401 (registers the layers that the model is made of)
import numpy as np

from threadmill.errors import ConfigError, InputError
from threadmill.training.generation.config import GenerationConfig
from threadmill.training.generation.contexts import ended_turns, joined_turns
from threadmill.training.generation.model_files import CONVERSATIONAL, ModelFiles
from threadmill.training.generation.search import Reply, SearchSpace, search
from threadmill.training.models.decoding import make_decoder

BATCH = 16  # contexts whose replies are searched for together

_SPACES_BEFORE = re.compile(r"\s+([.,!?;:)\]%])")
_SPACES_AFTER = re.compile(r"([(\[$#])\s+")
_SPACES_WITHIN = re.compile(r"(?<=\w) (['’-]) (?=\w)")


class Replier:
    """A model that replies.

    Args:
        files: the model.
        config: how replies are searched for.
    """

    def __init__(self, files: ModelFiles, config: GenerationConfig) -> None:
        self._files, self._config = files, config.resolved(files.objective)
        self._vocabulary = files.vocabulary
        self._decoder = make_decoder(keras.models.load_model(files.path, compile=False))
        self._allowed = np.zeros(len(self._vocabulary), np.bool_)
        self._allowed[self._vocabulary.ordinary_ids] = True
        self._longest = self._longest_reply()

    @property
    def conversational(self) -> bool:
        """Whether the model replies to conversations; else it goes on with texts."""
        return self._files.objective == CONVERSATIONAL

    def read(self, turns: Sequence[str], place: str) -> list[int]:
        """The ids of a context; of a conversation that is too long those of its newest turns.

        Args:
            turns: oldest first. A causal model goes on with the last one; an empty last turn lets it begin a new one.
            place: names the context in errors.

        Raises:
            InputError: it has no token, or leaves a causal model no room.
        """
        lines = self._vocabulary.encode(list(turns))
        told = [lines[number].tolist() for number in range(len(lines))]
        separator, room = self._vocabulary.specials.sep, self._files.max_seq_length
        context = joined_turns(told, separator, room) if self.conversational else ended_turns(told, separator)
        if not context:
            raise InputError(f"{place} has no token of the model's vocabulary; write some words")
        if not self.conversational and len(context) >= room:
            raise InputError(
                f"{place} has {len(context)} tokens, and the model takes {room} with those that it adds; shorten the text"
            )
        return context

    def answer(self, contexts: Sequence[Sequence[int]], first: int = 0) -> Iterator[list[str]]:
        """The replies to each context, the best first; only a beam may find fewer than were asked for.

        Args:
            contexts: ids, see `read`.
            first: the number of the first context; what is drawn depends on it.
        """
        together = BATCH if self.conversational else 1  # one text leaves more room than another
        for start in range(0, len(contexts), together):
            batch = contexts[start : start + together]
            for found in self._search(batch, range(first + start, first + start + len(batch))):
                yield [self._written(reply) for reply in found]

    def _search(self, contexts: Sequence[Sequence[int]], numbers: range) -> list[list[Reply]]:
        specials, longest = self._vocabulary.specials, self._longest
        if self.conversational:
            begin: int | None = specials.cls
        else:
            begin, longest = None, min(longest, self._files.max_seq_length - max(map(len, contexts)))
        space = SearchSpace(begin, specials.sep, self._allowed, longest)
        return search(self._decoder.read(contexts, longest + 1), contexts, space, self._config, numbers)

    def _longest_reply(self) -> int:
        files = self._files
        room = files.max_target_length - 1 if self.conversational else files.max_seq_length - 1
        wanted = self._config.max_length or room
        if wanted > room:
            raise ConfigError(f"max_length is {wanted}, and the replies of this model have {room} tokens at most; set it to that")
        return wanted

    def _written(self, reply: Reply) -> str:
        text = self._vocabulary.decode(reply.ids)
        if self._vocabulary.tokens[self._vocabulary.specials.cls] == "[CLS]":  # WordPiece: all signs stand apart
            text = without_spaces_at_signs(text)
        return " ".join(text.split())


def without_spaces_at_signs(text: str) -> str:
    """Text as people set it, of words and signs that stand apart: ``don ' t , ( you ) .`` becomes ``don't, (you).``"""
    text = _SPACES_WITHIN.sub(r"\1", text)
    return _SPACES_AFTER.sub(r"\1", _SPACES_BEFORE.sub(r"\1", text))
