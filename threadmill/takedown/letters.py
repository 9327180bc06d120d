"""Dead letters without the text they quote: whose it is cannot be told, since it could not be read as a comment."""

from collections.abc import Mapping
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.engine.stage import TaskOutput

_QUOTES = ("detail", "text")


def empty_letters(name: str, uri: str, output: TaskOutput, *, dry: bool) -> int:
    """Writes the file of dead letters at ``uri`` anew as ``name``, with what it tells of places and reasons; no text is left.

    Returns:
        How many quoted something. Where none did, or if ``dry``, nothing is written.
    """
    with storage.open_read(uri) as stream:
        quoting = sum(_quotes(orjson.loads(line)) for line in stream)
    if quoting and not dry:
        with storage.open_read(uri) as stream, output.dead_letters(name) as letters:
            for line in stream:
                letters.write(
                    orjson.dumps({**orjson.loads(line), **dict.fromkeys(_QUOTES, "")}, option=orjson.OPT_APPEND_NEWLINE)
                )
                letters.records += 1
    return quoting


def _quotes(letter: Mapping[str, Any]) -> bool:
    return any(letter[key] for key in _QUOTES)
