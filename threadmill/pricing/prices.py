"""The prices of Google Cloud's services: the built-in list prices, with those of the deployment's own file instead."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadmill.datasets import storage
from threadmill.errors import ConfigError

_BUILT_IN = Path(__file__).with_name("prices.toml")
_FIELDS = {"unit", "default", "source", "date", "confirmed", "note", "regions"}


@dataclass(frozen=True)
class Price:
    """A price of one thing in one region.

    Attributes:
        value: US dollars a unit.
        unit: such as "vCPU-hour".
        source: where it was read, and ``date`` when: YYYY-MM.
        confirmed: it was read; what is assumed instead is in ``note``.
    """

    value: float
    unit: str
    source: str
    date: str = ""
    confirmed: bool = True
    note: str = ""


class Prices:
    """All prices, by names such as "bigquery.query", "tpu.v5e" and "tpu.v5e_spot"."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self._tables = tables

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all prices."""
        return tuple(self._tables)

    def of(self, name: str, region: str = "") -> Price:
        """The price of ``name`` in ``region``; the default one where the region has none of its own.

        Raises:
            ConfigError: nothing is known of ``name``.
        """
        table = self._tables.get(name)
        if table is None:
            raise ConfigError(
                f"no price of {name} is known; add a table [{name}] with unit and default to the file of THREADMILL_PRICES "
                f"(known: {', '.join(sorted(self._tables))})"
            )
        return Price(
            value=float(table.get("regions", {}).get(region, table["default"])),
            unit=table["unit"],
            source=table.get("source", ""),
            date=table.get("date", ""),
            confirmed=table.get("confirmed", True),
            note=table.get("note", ""),
        )


def load_prices(overrides: str = "") -> Prices:
    """The built-in prices, with those in the TOML file ``overrides`` instead, where one is named.

    Raises:
        ConfigError: the file is not there, is no TOML, or has a table or a value of no use.
    """
    tables = _flat(tomllib.loads(_BUILT_IN.read_text()))
    if overrides:
        tables |= {name: _merged(tables.get(name), table, name, overrides) for name, table in _read(overrides).items()}
    return Prices(tables)


def _read(path: str) -> dict[str, dict[str, Any]]:
    try:
        return _flat(tomllib.loads(storage.read_bytes(path).decode()))
    except FileNotFoundError:
        raise ConfigError(
            f"THREADMILL_PRICES={path} does not exist; name a TOML file such as threadmill/pricing/prices.toml"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ConfigError(f"THREADMILL_PRICES={path} is no table of prices ({error}); write it as prices.toml is") from error


def _flat(value: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Tables of two levels, by their names with a dot between."""
    return {f"{service}.{item}": dict(table) for service, items in value.items() for item, table in items.items()}


def _merged(known: Mapping[str, Any] | None, table: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    """A table of the deployment's file; what it tells of a known price replaces only that."""
    unknown = set(table) - _FIELDS
    if unknown:
        raise ConfigError(f"{path}: [{name}] has {', '.join(sorted(unknown))}; it may have {', '.join(sorted(_FIELDS))}")
    merged = {**(known or {}), "source": f"{storage.name_of(path)}", "date": "", "confirmed": True, "note": "", **table}
    # A price told for all regions holds for all of them: those of the built-in table are of the price that it replaces.
    if "default" in table:
        merged["regions"] = table.get("regions", {})
    else:
        merged["regions"] = {**(known or {}).get("regions", {}), **table.get("regions", {})}
    if "default" not in merged or "unit" not in merged:
        raise ConfigError(f"{path}: [{name}] is no known price, so it must tell default and unit")
    for value in (merged["default"], *merged["regions"].values()):
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ConfigError(f"{path}: [{name}] has the price {value!r}; it must be a number of US dollars, 0 or more")
    return merged
