"""The files of a vocabulary, as other software reads them: vocab.txt, tokenizer.json, tokenizer_config.json."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from threadmill.datasets import storage
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.datasets.unfinished import refuse_unfinished

VOCAB_NAME, TOKENIZER_NAME, TOKENIZER_CONFIG_NAME = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
ENTRIES_NAME, MERGES_NAME = "vocab.json", "merges.txt"


def vocab_txt(tokens: Sequence[str]) -> bytes:
    """A token a line, in the order of their ids: Google's format."""
    return "".join(f"{token}\n" for token in tokens).encode()


def json_text(content: Mapping[str, Any]) -> bytes:
    """Readable JSON, the same bytes each time."""
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()


def vocabulary_place(uri: str) -> str:
    """``uri``; or where that is the vocab.txt of a dataset its folder, for the manifest there tells the rules of its text."""
    folder = uri.rpartition("/")[0] or "."
    is_of_dataset = storage.name_of(uri) == VOCAB_NAME and storage.exists(storage.join(folder, MANIFEST_NAME))
    return folder if is_of_dataset else uri


def bare_vocab_file(uri: str) -> str:
    """The vocab.txt at ``uri``, the file or its folder, where no manifest goes with it; else ""."""
    if not storage.is_directory(uri):
        return uri if storage.exists(uri) else ""
    refuse_unfinished(uri)  # vocab.txt is the first of the files that a run writes
    path = storage.join(uri, VOCAB_NAME)
    return path if storage.exists(path) and not storage.exists(storage.join(uri, MANIFEST_NAME)) else ""
