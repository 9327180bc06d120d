"""What a run will cost, line by line, before it starts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from threadmill.pricing.amounts import amounts
from threadmill.pricing.engine_costs import engine_lines
from threadmill.pricing.lines import Line, least_sure, total
from threadmill.pricing.plan import RunPlan
from threadmill.pricing.prices import Prices, load_prices
from threadmill.pricing.rates import load_rates
from threadmill.pricing.storage_costs import storage_lines
from threadmill.pricing.training_costs import training_lines
from threadmill.pricing.warehouse_costs import warehouse_lines
from threadmill.settings import Settings

_NOT_COUNTED = (
    "Not counted: the machine that Airflow runs on (checks, export and reports run there), logs, network out of the "
    "region, taxes, free tiers and discounts."
)


@dataclass(frozen=True)
class Estimate:
    """What one run or several will cost.

    Attributes:
        name: of the run or runs.
        lines: none where nothing is billed.
        notes: what the figures rest on, and what is not in them.
    """

    name: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def total(self) -> float:
        """US dollars."""
        return total(self.lines)

    def to_json(self) -> dict[str, Any]:
        """The JSON object of `threadmill plan --json`."""
        return {
            "name": self.name,
            "total": round(self.total, 2),
            "lines": [line.to_json() for line in self.lines],
            "notes": list(self.notes),
        }


def estimate(run: RunPlan, settings: Settings, prices: Prices | None = None) -> Estimate:
    """What ``run`` will cost in this deployment.

    Raises:
        ConfigError: a machine or TPU type that is set has no price or is not known.
    """
    prices, rates = prices or load_prices(settings.prices), load_rates()
    engine, warehouse, trainer = settings.runs_on
    found = amounts(run, rates)
    lines: list[Line] = []
    if engine == "dataflow":
        lines.extend(engine_lines(found.stages, settings, prices))
    if warehouse == "bigquery":
        lines.extend(warehouse_lines(run, found, rates, settings, prices))
    if trainer in ("tpu", "vertex"):
        lines.extend(training_lines(run, found, trainer, settings, prices))
    if settings.root.startswith("gs://"):
        lines.extend(storage_lines(found, settings, prices))
    return Estimate(run.name, tuple(lines), tuple(_notes(run, lines, rates.measured, engine)))


def sum_of(name: str, estimates: Sequence[Estimate]) -> Estimate:
    """Several runs as one table: lines of the same stage, item and price are added up."""
    lines: dict[tuple[str, str, float], Line] = {}
    for found in estimates:
        for line in found.lines:
            key = (line.stage, line.item, line.price.value)
            held = lines.get(key)
            known = least_sure(held.known, line.known) if held else line.known
            lines[key] = replace(line, quantity=line.quantity + (held.quantity if held else 0.0), known=known)
    return Estimate(name, tuple(lines.values()), tuple(dict.fromkeys(note for found in estimates for note in found.notes)))


def _notes(run: RunPlan, lines: Iterable[Line], measured: str, engine: str) -> list[str]:
    lines = list(lines)
    if not lines:
        return ["All of it runs on this machine, and costs nothing."]
    sizes = dict.fromkeys(note for volume in (run.comments, run.text, run.lookback) for note in volume.note.split("; ") if note)
    notes = [f"{note[0].upper()}{note[1:]}." for note in sizes]
    notes.append(f"Measured rates: {measured}.")
    notes.extend(f"Assumed: {note}." for note in dict.fromkeys(line.note for line in lines if line.note))
    if engine == "beam":
        notes.append("The runner of the engine beam is not priced: its cluster is yours.")
    return [*notes, _NOT_COUNTED]
