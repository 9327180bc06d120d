"""A trained model as generation opens it: what it is, and its vocabulary, from the files in its own folder. No Keras here."""

import os
from dataclasses import dataclass

import orjson

from threadmill.datasets import storage
from threadmill.errors import InputError
from threadmill.training.finished_model import open_finished
from threadmill.training.outputs import local_file, working_folder
from threadmill.training.runs.workspace import MODEL_NAME
from threadmill.vocab.files import TOKENIZER_CONFIG_NAME, TOKENIZER_NAME, VOCAB_NAME
from threadmill.vocab.styles import SENTENCEPIECE, SENTENCEPIECE_NAME
from threadmill.vocab.vocabulary import Vocabulary

CONVERSATIONAL, CAUSAL = "seq2seq", "causal"

_MODEL_FOLDER = "model"  # of a copy, where the model is in a bucket


@dataclass(frozen=True)
class ModelFiles:
    """A model that generates text.

    Attributes:
        path: of the Keras file.
        objective: what it learned: `CONVERSATIONAL` or `CAUSAL`.
        backend: the library that it was trained with.
        max_seq_length, max_target_length: tokens of a context, or of a text, and of a response with its end, at most.
    """

    path: str
    objective: str
    backend: str
    max_seq_length: int
    max_target_length: int
    vocabulary: Vocabulary


def open_model(uri: str) -> ModelFiles:
    """The model in the folder ``uri``.

    Raises:
        InputError: there is none, its training has not come to its end, or it generates no text.
    """
    model = open_finished(uri)
    described = model.described
    objective = described["objective"]
    if objective not in (CONVERSATIONAL, CAUSAL):
        raise InputError(
            f"{uri} was trained for the objective {objective}, and such a model writes no text; name a model that was trained "
            f"on records for {CONVERSATIONAL} or {CAUSAL}"
        )
    return ModelFiles(
        path=local_file(storage.join(uri, MODEL_NAME), os.path.join(working_folder(uri), _MODEL_FOLDER)),
        objective=objective,
        backend=described["training"]["backend"],
        max_seq_length=described["max_seq_length"],
        max_target_length=described.get("max_target_length", 0),
        vocabulary=_vocabulary(uri, {shard.name for shard in model.dataset.manifest.shards}),
    )


def _vocabulary(uri: str, names: set[str]) -> Vocabulary:
    """The vocabulary, whose files are told apart by their names; one converted to BERT's form is used like any WordPiece."""
    tokens = tuple(_read(uri, VOCAB_NAME).decode().removesuffix("\n").split("\n"))
    if "[CLS]" in tokens:
        lowercase = TOKENIZER_CONFIG_NAME not in names or orjson.loads(_read(uri, TOKENIZER_CONFIG_NAME))["do_lower_case"]
        return Vocabulary(tokens, bool(lowercase), uri=uri)
    if SENTENCEPIECE_NAME in names:
        model = _read(uri, SENTENCEPIECE_NAME)
        return Vocabulary(tokens, kind="sentencepiece-unigram", form=SENTENCEPIECE, uri=uri, model=model)
    return Vocabulary(tokens, kind="bytelevel-bpe", uri=uri, model=_read(uri, TOKENIZER_NAME))


def _read(uri: str, name: str) -> bytes:
    return storage.read_bytes(storage.join(uri, name))
