"""What a report tells of a training run: its loss curve and its evaluation, read from their datasets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl
import polars.selectors as cs

from threadmill.datasets import storage
from threadmill.errors import IntegrityError

LOSSES_NAME = "losses.jsonl"
VALIDATION_NAME = "validation.jsonl"
EVALUATION_NAME = "evaluation.json"

# Whose numbers a baseline's stand beside, by the beginnings of their names.
_BASELINES = {"masked_": "unigram_", "response_": "unigram_", "token_": "unigram_", "next_sentence_": "majority_"}
_CHANCES = {"ranking_accuracy": "ranking_chance"}


@dataclass(frozen=True)
class LossCurve:
    """One loss by step; where points stand for several steps, also the least and greatest of these."""

    steps: list[int]
    losses: list[float]
    lowest: list[float]
    highest: list[float]

    def thinned(self, points: int) -> "LossCurve":
        """At most ``points`` points: means of equally many neighbours each (fewer in the last), at their mean step."""
        width = -(-len(self.steps) // points)
        if width <= 1:
            return self
        loss = pl.col("loss")
        bins = (
            pl.DataFrame({"step": self.steps, "loss": self.losses})
            .group_by(pl.int_range(pl.len()) // width, maintain_order=True)
            .agg(pl.col("step").mean().cast(pl.Int64), mean=loss.mean(), low=loss.min(), high=loss.max())
        )
        return LossCurve(*(bins[name].to_list() for name in ("step", "mean", "low", "high")))


def read_losses(uri: str) -> dict[str, LossCurve]:
    """The losses of the model dataset at ``uri`` by name, as far as they were noted; empty if none were.

    Returns:
        ``loss``, its parts, and ``validation_loss``.

    Raises:
        IntegrityError: a file holds something else than lines of {"step": ..., "loss": ...}.
    """
    curves = _read_curves(storage.join(uri, LOSSES_NAME))
    validation = _read_curves(storage.join(uri, VALIDATION_NAME)).get("loss") if curves else None
    return {**curves, "validation_loss": validation} if validation else curves


def _read_curves(path: str) -> dict[str, LossCurve]:
    if storage.size(path) <= 0:
        return {}
    try:
        frame = pl.read_ndjson(storage.read_bytes(path))
        numbers = frame.select(
            pl.col("step").cast(pl.Int64), pl.col("loss").cast(pl.Float64), cs.ends_with("_loss").cast(pl.Float64)
        )
        problem = "a line lacks a number" if sum(numbers.null_count().row(0)) else ""
    except pl.exceptions.PolarsError as error:
        problem = str(error).splitlines()[0]
    if problem:
        raise IntegrityError(f'{path} is not lines of {{"step": ..., "loss": ...}} ({problem}); train the model again')
    numbers = numbers.sort("step")
    steps = numbers["step"].to_list()
    return {column.name: LossCurve(steps, *[column.to_list()] * 3) for column in numbers.drop("step")}


def read_evaluation(uri: str) -> dict[str, float]:
    """The numbers of the evaluation dataset at ``uri``, by name; ``a.b`` is b within a. Empty where it has none.

    Raises:
        IntegrityError: the file is not a JSON object.
    """
    path = storage.join(uri, EVALUATION_NAME)
    if storage.size(path) < 0:
        return {}
    try:
        value = orjson.loads(storage.read_bytes(path))
    except orjson.JSONDecodeError as error:
        raise IntegrityError(f"{path} is not JSON ({error}); evaluate the model again") from error
    if not isinstance(value, Mapping):
        raise IntegrityError(f"{path} holds no JSON object; evaluate the model again")
    return _numbers(value)


def _numbers(value: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            numbers.update(_numbers(item, f"{prefix}{name}."))
        elif isinstance(item, int | float) and not isinstance(item, bool):
            numbers[f"{prefix}{name}"] = item
    return numbers


def unigram_loss(evaluation: Mapping[str, float]) -> float | None:
    """The unigram baseline's loss among an evaluation's numbers, or None."""
    return next((value for name, value in evaluation.items() if name.endswith("unigram_loss")), None)


def beside_baselines(evaluation: Mapping[str, float]) -> list[tuple[str, float, float | None]]:
    """An evaluation's numbers as (name, the model's, the baseline's): ``unigram_loss`` stands beside ``masked_loss``."""
    baselines = {
        name: baseline + name.removeprefix(objective)
        for objective, baseline in _BASELINES.items()
        for name in evaluation
        if name.startswith(objective)
    } | _CHANCES
    shown = {name for name in baselines.values() if name in evaluation}
    return [(name, value, evaluation.get(baselines.get(name, ""))) for name, value in evaluation.items() if name not in shown]
