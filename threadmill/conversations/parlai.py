"""ParlAI's conversations format: a JSON line an example, its turns as pairs of acts, oldest first.

Source: the reader's code, parlai/utils/conversations.py (``Conversations``, ``Metadata``) and parlai/core/teachers.py
(``ConversationTeacher``, which ``--task jsonfile`` uses) of ParlAI 1.7. What they need:

- A line is an object whose ``dialog`` is a list of lists of acts ``{"id": ..., "text": ...}``; the lists are read as one, so how
  many acts each has does not matter. Other keys are kept as details of the conversation, except ``context`` (a list of acts, not
  used) and ``metadata_path``. An act with the id ``context`` is discarded.
- Lines are cut by ``str.splitlines``, so also at U+0085, U+2028 and U+2029, which stand escaped here.
- By default (``label_turns`` is ``secondspeaker``) the 2nd, 4th, ... acts are the labels. The response is the last turn, so an
  example of an odd number of turns begins with ParlAI's mark of a turn without words, ``__SILENCE__``, its id ``silence`` here.
- ``NAME.metadata`` beside ``NAME.*`` tells when and with which options a chat was held; without it the reader says so and goes
  on. There is none here: the manifest tells more.

The features that are no turns are keys of the line, so an example read back is whole.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl

from threadmill.datasets.arrow_text import large_strings, text_buffers
from threadmill.datasets.json_lines import without_null_members

SILENCE = "__SILENCE__"
_SILENT, _FIRST, _SECOND = "silence", "speaker_1", "speaker_2"
_EXTRA = re.compile(r"context/(\d+)")
_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_DIALOG = pl.List(pl.List(pl.Struct({"id": pl.String, "text": pl.String})))


def encode_parlai(examples: pl.DataFrame) -> memoryview:
    """Examples as lines: strings, null where a feature is absent, never so for context and response.

    An extra context counts where those more recent are there.
    """
    others = [name for name in examples.columns if not _is_turn(name)]
    details = pl.struct(others).struct.json_encode().str.replace(r"^\{", ",") if others else pl.lit("}")
    line = pl.concat_str(pl.lit('{"dialog":['), _dialog(examples.columns), pl.lit("]"), details, pl.lit("\n"))
    lines = examples.select(line.str.replace_many(_LINE_ENDS)).to_series()
    content, bounds = text_buffers(large_strings(lines))
    return without_null_members(content[bounds[0] : bounds[-1]].data)


def _is_turn(name: str) -> bool:
    return name in ("context", "response") or _EXTRA.fullmatch(name) is not None


def _dialog(columns: Sequence[str]) -> pl.Expr:
    """The pairs of acts, oldest first, the last that of context and response."""
    recent = [f"context/{number}" for number in range(sum(_EXTRA.fullmatch(name) is not None for name in columns))]
    pairs = [pl.concat_str(pl.lit("["), _act("context", _FIRST), pl.lit(","), _act("response", _SECOND), pl.lit("]"))]
    for number, name in enumerate(recent[::2]):
        before = recent[2 * number + 1 : 2 * number + 2]
        silent = pl.lit(orjson.dumps({"id": _SILENT, "text": SILENCE}).decode())
        first = pl.coalesce(*(_act(older, _FIRST) for older in before), silent)
        pairs.append(pl.concat_str(pl.lit("["), first, pl.lit(","), _act(name, _SECOND), pl.lit("]")))
    return pl.concat_str(reversed(pairs), separator=",", ignore_nulls=True)


def _act(name: str, speaker: str) -> pl.Expr:
    """The turn ``name`` as an act; null where it is absent."""
    act = pl.struct(pl.lit(speaker).alias("id"), pl.col(name).alias("text")).struct.json_encode()
    return pl.when(pl.col(name).is_not_null()).then(act)


def decode_parlai(content: bytes, columns: Sequence[str]) -> pl.DataFrame:
    """The named features of lines that `encode_parlai` wrote, in their order, null where one is absent.

    Raises:
        polars.exceptions.ComputeError: the content is no such lines.
    """
    others = [name for name in columns if not _is_turn(name)]
    schema: dict[str, Any] = {"dialog": _DIALOG, **dict.fromkeys(others, pl.String)}
    frame = pl.read_ndjson(content, schema=schema) if content else pl.DataFrame(schema=schema)
    if frame["dialog"].null_count():
        raise pl.exceptions.ComputeError("a line has no dialog")
    return frame.select(_text_of(name) if _is_turn(name) else pl.col(name) for name in columns)


def _text_of(name: str) -> pl.Expr:
    """The turn ``name`` out of its pair of acts."""
    match = _EXTRA.fullmatch(name)
    recent = int(match[1]) + 2 if match else ("response", "context").index(name)  # 0 is the last turn
    act = pl.col("dialog").list.get(-1 - recent // 2, null_on_oob=True).list.get(1 - recent % 2, null_on_oob=True)
    return pl.when(act.struct.field("id") != _SILENT).then(act.struct.field("text")).alias(name)
