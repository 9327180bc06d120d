"""The files of a vocabulary, as other software reads them: vocab.txt, tokenizer.json, tokenizer_config.json."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

VOCAB_NAME, TOKENIZER_NAME, TOKENIZER_CONFIG_NAME = "vocab.txt", "tokenizer.json", "tokenizer_config.json"
ENTRIES_NAME, MERGES_NAME = "vocab.json", "merges.txt"


def vocab_txt(tokens: Sequence[str]) -> bytes:
    """A token a line, in the order of their ids: Google's format."""
    return "".join(f"{token}\n" for token in tokens).encode()


def json_text(content: Mapping[str, Any]) -> bytes:
    """Readable JSON, the same bytes each time."""
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode()
