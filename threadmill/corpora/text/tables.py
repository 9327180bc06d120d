"""Columns of text to documents: a row is a document, whose columns follow each other, each line of them for itself."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.corpora.text.config import AUTO, CorpusConfig
from threadmill.corpora.text.texts import DeadLetter, Texts
from threadmill.datasets.arrow_text import concatenated, text_buffers

DEFAULT_FIELD = "text"
_BREAK = r"(?i)<br\s*/?\s*>"
_NEWLINE = 10
_TEXT_SHOWN = 100


@dataclass(frozen=True)
class Columns:
    """The columns of text of some rows.

    Attributes:
        texts: large_string[n], one of each column.
        single: which of the columns hold one sentence a row.
        clean_html: HTML's breaks become line ends, its entities characters.
        rows: that were read; those without texts are among ``letters``.
    """

    texts: Sequence[pa.Array]
    single: Sequence[bool]
    clean_html: bool
    rows: int
    letters: tuple[DeadLetter, ...] = ()
    split: str = ""


def row_documents(columns: Columns) -> Texts:
    """The rows as documents."""
    count, width = len(columns.texts[0]), len(columns.texts)
    texts = columns.texts[0]
    if width > 1:  # row by row
        texts = concatenated(columns.texts).take(pa.array(np.arange(width * count).reshape(width, count).T.ravel()))
    if columns.clean_html:
        texts = _clean_html(texts)
    data, offsets = text_buffers(texts)
    breaks = np.flatnonzero(data[offsets[0] : offsets[-1]] == _NEWLINE) + offsets[0] + 1
    bounds = np.unique(np.concatenate([offsets, breaks]))
    lines = pa.LargeStringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), texts.buffers()[2] or pa.py_buffer(b""))
    single: npt.NDArray[np.bool_] | None = None
    if any(columns.single):
        text_of = np.searchsorted(offsets, bounds[:-1], side="right") - 1
        single = np.asarray(columns.single)[text_of % width]
    ends = np.searchsorted(bounds, offsets[width::width])
    return Texts(lines, ends, columns.rows, columns.letters, single, split=columns.split)


def wanted_fields(config: CorpusConfig, names: Sequence[str], default: str, where: str) -> tuple[str, ...]:
    """The columns to read.

    Args:
        names: of the columns there are.
        default: read where the settings name none.

    Raises:
        InputError: there is no such column.
    """
    from threadmill.errors import InputError

    fields = config.fields or (default,)
    missing = [field for field in fields if field not in names]
    if missing:
        raise InputError(f"{where} has no field {', '.join(missing)}; its fields are {', '.join(names)}: name one with --field")
    return fields


def cleans_html(config: CorpusConfig, format: str) -> bool:
    """Whether the texts of a format are cleaned of HTML's breaks and entities."""
    return config.html == "clean" or (config.html == AUTO and format == "amazon")


def beginning(text: bytes | str) -> str:
    """How a bad line begins, fit for a dead letter."""
    if isinstance(text, bytes):
        text = text[: 4 * _TEXT_SHOWN].decode(errors="replace")
    return text[:_TEXT_SHOWN]


def _clean_html(texts: pa.Array) -> pa.Array:
    """Breaks as line ends; entities as what they stand for, once."""
    texts = pc.replace_substring_regex(texts, _BREAK, "\n")
    escaped = pc.match_substring(texts, "&")
    if not pc.any(escaped).as_py():
        return texts
    return pc.replace_with_mask(
        texts, escaped, pa.array(list(map(html.unescape, texts.filter(escaped).to_pylist())), pa.large_string())
    )
