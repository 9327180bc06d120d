"""Lines as operations: a month's fields in their order, with what never changes joined into long pieces."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample.columns import BASE36, DECIMAL
from threadmill.corpora.sample.fields import FIELDS, SORTED_SINCE, Field, fields_of
from threadmill.corpora.sample.pieces import PieceTable
from threadmill.corpora.sample.rendering import (
    L_BASE36,
    L_BODY,
    L_COLUMN_PIECE,
    L_DECIMAL,
    L_END,
    L_PIECE,
    L_SECTION,
    L_UNLESS,
)
from threadmill.randomness import stream_key

_ORDERS = 3  # orders of keys among the lines of a month whose keys are not sorted
# Parts of values that are said: the column that is zero where they are not, "" for always.
_SAID = {"body": "kept", "title": "has_title", "self_text": "has_self_text", "self_more": "has_long_self_text", "address": ""}
_COLUMN = re.compile(r"\{([a-z_0-9]+)\}")


@dataclass(frozen=True)
class Layout:
    """How the lines of a month are put together.

    Attributes:
        ops: int64[ops, 3], (kind, argument, column) as in rendering.render.
        start: int64[orders], where the layout of each order of keys begins.
        columns: the names of the columns that the operations refer to, by place.
        fixed_bytes: how many bytes of a line are the same in all lines.
    """

    ops: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    columns: tuple[str, ...]
    fixed_bytes: int


class Layouts:
    """The layouts of months; months with the same fields share one.

    Args:
        table: takes what never changes.
        sections: the numbers of the grammar's sections.
        fields: of the lines, in all months.
    """

    def __init__(self, table: PieceTable, sections: Mapping[str, int], fields: tuple[Field, ...] = FIELDS) -> None:
        self._table, self._sections, self._fields = table, sections, fields
        self._made: dict[tuple[object, ...], Layout] = {}

    def of(self, month: str) -> Layout:
        """The layout of the lines of ``month`` (YYYY-MM)."""
        fields, sorted_keys = fields_of(month, self._fields), month >= SORTED_SINCE
        if (fields, sorted_keys) not in self._made:
            self._made[fields, sorted_keys] = _Builder(self._table, self._sections).layout(_orders(fields, sorted_keys))
        return self._made[fields, sorted_keys]


def _orders(fields: Sequence[Field], sorted_keys: bool) -> Iterator[list[Field]]:
    if sorted_keys:
        yield sorted(fields, key=lambda field: field.name)
        return
    for order in range(_ORDERS):  # a field that may be missing is never the first, since commas come before
        yield sorted(fields, key=lambda field: (bool(field.only_if), stream_key(order, field.name)))


class _Builder:
    def __init__(self, table: PieceTable, sections: Mapping[str, int]) -> None:
        self._table, self._sections = table, sections
        self._columns: dict[str, int] = {}
        self._fixed_bytes = 0

    def layout(self, orders: Iterator[Sequence[Field]]) -> Layout:
        ops: list[tuple[int, int, int]] = []
        starts = []
        for fields in orders:
            starts.append(len(ops))
            ops += self._line(fields)
        columns = tuple(self._columns)
        return Layout(np.array(ops, np.int64), np.array(starts, np.int64), columns, self._fixed_bytes // len(starts))

    def _line(self, fields: Sequence[Field]) -> Iterator[tuple[int, int, int]]:
        """Runs of fields that are always there, and fields that may be missing, each after an operation that skips it."""
        text = "{"
        for place, field in enumerate(fields):
            member = f'{"," if place else ""}"{field.name}":{field.value}'
            if not field.only_if:
                text += member
                continue
            yield from self._ops(text)
            text = ""
            ops = list(self._ops(member))
            yield L_UNLESS, len(ops), self._column(field.only_if)
            yield from ops
        yield from self._ops(text + "}\n")
        yield L_END, 0, 0

    def _ops(self, text: str) -> Iterator[tuple[int, int, int]]:
        for place, part in enumerate(_COLUMN.split(text)):
            if place % 2 == 0:
                if part:
                    self._fixed_bytes += len(part)
                    yield L_PIECE, self._table.add_json(part), 0
            elif part in _SAID:
                if _SAID[part]:
                    yield L_UNLESS, 1, self._column(_SAID[part])
                yield (L_BODY, 0, 0) if part == "body" else (L_SECTION, self._sections[part], 0)
            else:
                kind = L_BASE36 if part in BASE36 else L_DECIMAL if part in DECIMAL else L_COLUMN_PIECE
                yield kind, self._column(part), 0

    def _column(self, name: str) -> int:
        return self._columns.setdefault(name, len(self._columns))
