"""Reads JSON lines: examples as the reference pipeline and Threadmill write them, and ParlAI's conversations.

Sources: PolyAI's conversational-datasets (README, "Conversational datasets"): an object with ``context``, ``response``, and the
older turns as ``context/0`` (the newest of them), ``context/1``, ...; parlai/utils/conversations.py for an object with a
``dialog``, see `threadmill.conversations.parlai`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from threadmill.conversations.parlai import SILENCE
from threadmill.corpora.dialogues.examples import (
    NO_CONTEXT,
    NO_RESPONSE,
    OWN_FEATURES,
    REFERENCE_FEATURES,
    DialogueExample,
    DroppedMessage,
    Episode,
    Message,
    is_text,
    turn_features,
)
from threadmill.corpora.dialogues.parlai_text import Lines
from threadmill.corpora.text.texts import DeadLetter

_SHOWN = 200
_CARRIED = (*REFERENCE_FEATURES, *OWN_FEATURES)
_SILENT, _DISCARDED = "silence", "context"  # ids of acts that are no turns


def read_json_examples(lines: Lines, source: str, parent_depth: int) -> Iterator[Message]:
    """An example a line."""
    for number, line in lines:
        if line.strip():
            value = _object(number, line)
            yield value if isinstance(value, DeadLetter) else example_of(value, source, number, parent_depth)


def read_conversations(lines: Lines, source: str, parent_depth: int, label_turns: str) -> Iterator[Message]:
    """ParlAI's conversations: of one with an ``example_id``, which Threadmill wrote, its example; of another one a label turn.

    Args:
        label_turns: ``second`` for every second turn (ParlAI's default), ``first`` for the others, or ``both``.
    """
    for number, line in lines:
        if not line.strip():
            continue
        value = _object(number, line)
        acts = value if isinstance(value, DeadLetter) else _acts(number, line, value)
        if isinstance(acts, DeadLetter):
            yield acts
        elif isinstance(value, dict) and "example_id" in value:
            yield example_of({**value, **_last_turns(acts)}, source, number, parent_depth)
        else:
            yield from _label_turns(acts, Episode(source, parent_depth), number, label_turns)


def example_of(value: Mapping[str, Any], source: str, number: int, parent_depth: int) -> Message:
    """The example that features tell of; one without ids gets them from its place."""
    if not is_text(value.get("response")):
        return DroppedMessage(NO_RESPONSE)
    if not is_text(value.get("context")):
        return DroppedMessage(NO_CONTEXT)
    names = ("context", "response", *(f"context/{index}" for index in range(parent_depth - 1)))
    features = {name: value[name] for name in names if isinstance(value.get(name), str)}
    features |= {name: str(value[name]) for name in _CARRIED if isinstance(value.get(name), (str, int))}
    features.setdefault("example_id", f"{source}:{number}")
    if "thread_id" in features:
        return DialogueExample(features, features["thread_id"])
    extra = [name for name in value if name.startswith("context/") and name[8:].isdecimal() and is_text(value[name])]
    oldest = max(extra, key=lambda name: int(name[8:]), default="context")
    return DialogueExample({**features, "thread_id": features["example_id"]}, str(value[oldest]))


def _object(number: int, line: bytes) -> dict[str, Any] | DeadLetter:
    shown = line[:_SHOWN].decode(errors="backslashreplace")
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return DeadLetter(number, "not JSON", str(error), shown)
    return value if isinstance(value, dict) else DeadLetter(number, "no object", "the line is no JSON object", shown)


def _acts(number: int, line: bytes, value: dict[str, Any]) -> list[tuple[str, str]] | DeadLetter:
    """Speaker and text of each turn."""
    try:
        acts = [(str(act.get("id", "")), act["text"]) for pair in value["dialog"] for act in pair]
        if not all(isinstance(text, str) for _, text in acts):
            raise TypeError("a text is no string")
    except (KeyError, TypeError, AttributeError) as error:
        shown = line[:_SHOWN].decode(errors="backslashreplace")
        return DeadLetter(number, "no dialog", f"not a dialog of acts with a text ({error})", shown)
    return [(speaker, text) for speaker, text in acts if speaker != _DISCARDED]


def _last_turns(acts: list[tuple[str, str]]) -> dict[str, str]:
    """The example whose response is the last turn; nothing where there is no turn before it."""
    turns = [text for speaker, text in acts if speaker != _SILENT]
    return turn_features(turns[:-1], turns[-1]) if len(turns) > 1 else {}


def _label_turns(acts: list[tuple[str, str]], episode: Episode, number: int, label_turns: str) -> Iterator[Message]:
    """An example a turn that is a label; the ids tell turns apart that share the line."""
    answered = False
    for place, (_, text) in enumerate(acts):
        is_label = label_turns == "both" or (place % 2 == 1) == (label_turns == "second")
        if text.strip() == SILENCE:
            continue
        if not is_label or place == 0:
            episode.say([text], number)
            continue
        answered = True
        message = episode.answer(text, number)
        if isinstance(message, DialogueExample):
            message.features["example_id"] += f":{place}"
        yield message
    if not answered:
        yield DroppedMessage(NO_RESPONSE)
