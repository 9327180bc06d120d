"""What a report tells of a training run: its loss curve and its evaluation, read from their datasets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from threadmill.datasets import storage
from threadmill.errors import IntegrityError

LOSSES_NAME = "losses.jsonl"
EVALUATION_NAME = "evaluation.json"


@dataclass(frozen=True)
class LossCurve:
    """The training loss by step; where points stand for several steps, also the least and greatest of these."""

    steps: list[int]
    losses: list[float]
    lowest: list[float]
    highest: list[float]

    def thinned(self, points: int) -> "LossCurve":
        """At most ``points`` points: means of equally many neighbours each (fewer in the last), at their mean step."""
        width = -(-len(self.steps) // points)
        if width <= 1:
            return self
        bins = (
            pl.DataFrame({"step": self.steps, "loss": self.losses})
            .group_by(pl.int_range(pl.len()) // width, maintain_order=True)
            .agg(
                pl.col("step").mean().cast(pl.Int64),
                mean=pl.col("loss").mean(),
                low=pl.col("loss").min(),
                high=pl.col("loss").max(),
            )
        )
        return LossCurve(bins["step"].to_list(), bins["mean"].to_list(), bins["low"].to_list(), bins["high"].to_list())


def read_losses(uri: str) -> LossCurve | None:
    """The losses of the model dataset at ``uri``, or None where it has none.

    Raises:
        IntegrityError: the file holds something else than lines of {"step": ..., "loss": ...}.
    """
    path = storage.join(uri, LOSSES_NAME)
    if storage.size(path) <= 0:
        return None
    try:
        frame = pl.read_ndjson(storage.read_bytes(path), schema={"step": pl.Int64, "loss": pl.Float64}).sort("step")
        problem = "a line lacks one of them" if sum(frame.null_count().row(0)) else ""
    except pl.exceptions.PolarsError as error:
        problem = str(error)
    if problem:
        raise IntegrityError(f'{path} is not lines of {{"step": ..., "loss": ...}} ({problem}); train the model again')
    losses = frame["loss"].to_list()
    return LossCurve(frame["step"].to_list(), losses, losses, losses)


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
    for name, value in evaluation.items():
        if "unigram" in name and name.rsplit(".", 1)[-1].endswith("loss"):
            return value
    return None
