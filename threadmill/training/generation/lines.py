"""Contexts as lines: turns apart by tabs, or JSON."""

from typing import Any

import orjson

from threadmill.errors import InputError


def parse_context(line: bytes, place: str) -> list[str]:
    """The turns of a context, oldest first.

    Args:
        line: its turns, a tab between two, or a JSON object ``{"context": ["...", ...]}``; UTF-8.
        place: where it stands, for errors.

    Raises:
        InputError: it is empty, not UTF-8, or not such an object.
    """
    line = line.rstrip(b"\r\n")
    if not line.strip():
        raise InputError(f"{place} is empty; write a context, or leave the line out")
    if line.lstrip().startswith(b"{"):
        return _from_json(line, place)
    try:
        return line.decode().split("\t")
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: not UTF-8 at byte {error.start + 1}; convert the text to UTF-8") from None


def _from_json(line: bytes, place: str) -> list[str]:
    wanted = 'a line that begins with { is a JSON object such as {"context": ["Hello.", "Hi!"]}'
    try:
        value: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{place}: {error}; {wanted}") from None
    turns = value.get("context")
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
        raise InputError(f"{place}: no list of texts under the key context; {wanted}")
    return turns
