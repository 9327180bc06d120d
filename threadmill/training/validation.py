"""Validation on the way: the mean loss of held-out sequences every so many steps, as a log and a curve."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.training.backends.backend import Scorer
from threadmill.training.inputs.batches import held_out_batches, held_out_masking
from threadmill.training.objectives import TERMS
from threadmill.training.processes.spec import TrainerSpec
from threadmill.training.runs.workspace import Workspace


class Validation:
    """Scores a model on the first ``config.validation_sequences`` of ``spec.validation``, always in the same way.

    ``validation.jsonl`` in the run's folder has a line ``{"step": ..., "loss": ...}`` for each time.

    Args:
        batch_size: sequences that are scored at a time.
        start: the step that the run goes on from; what is logged beyond it is removed.
    """

    def __init__(self, spec: TrainerSpec, scorer: Scorer, batch_size: int, start: int) -> None:
        self._spec, self._scorer, self._batch_size = spec, scorer, batch_size
        self._path = Workspace(spec.folder).validation
        self._lines = [line for line in _read(self._path) if line["step"] <= start]
        if os.path.exists(self._path):
            self._write()

    def due(self, step: int) -> bool:
        """Whether ``step`` is to be followed by a validation."""
        config = self._spec.config
        return self._spec.validation is not None and (step % config.validation_interval == 0 or step == config.steps)

    def done(self, step: int) -> bool:
        """Whether there has been one after ``step``."""
        return any(line["step"] == step for line in self._lines)

    def run(self, step: int, leaving: Callable[[], bool] = lambda: False) -> float | None:
        """The loss after ``step``, the sum of its terms' means over all sequences; it is logged.

        Returns:
            None where the run was asked to leave meanwhile: a checkpoint comes first, and whoever goes on validates.
        """
        totals: Counter[str] = Counter()
        for inputs, labels in self._batches():
            if leaving():
                return None
            totals.update(self._scorer(inputs, labels))
        loss = mean_loss(totals)
        self._lines.append({"step": step, "loss": round(loss, 6)})
        self._write()
        return loss

    def _batches(self) -> Any:
        spec, records = self._spec, self._spec.validation
        assert records is not None
        limit = min(records.records, spec.config.validation_sequences)
        masking = held_out_masking(spec.masking, spec.vocabulary_size, records) if spec.masking else None
        return held_out_batches(records, self._batch_size, limit, masking)

    def _write(self) -> None:
        storage.write_bytes(self._path, b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in self._lines))


def mean_loss(totals: Counter[str]) -> float:
    """The loss that training minimises, from `threadmill.training.objectives.objective_sums` added up over batches."""
    return sum(totals[f"{name}_loss"] / max(totals[f"{name}_weight"], 1e-9) for name in TERMS)


def _read(path: str) -> list[dict[str, Any]]:
    """The lines that are whole."""
    if not os.path.exists(path):
        return []
    lines = storage.read_bytes(path).splitlines(keepends=True)
    return [orjson.loads(line) for line in lines if line.endswith(b"\n")]
