"""Measured rates of the stages, which `python -m benchmarks.rates --write` renews."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).with_name("rates.toml")


@dataclass(frozen=True)
class Rates:
    """What stages take and leave.

    Attributes:
        measured: when, on what, for people.
        tables: by the names of the file: CPU seconds, bytes, records.
    """

    measured: str
    tables: Mapping[str, Mapping[str, float]]

    def of(self, table: str, name: str) -> float:
        """One rate."""
        return self.tables[table][name]


@lru_cache
def load_rates() -> Rates:
    """The rates of the file."""
    value = tomllib.loads(_FILE.read_text())
    measured = str(value.pop("measured"))
    return Rates(measured, value)
