"""How fast models train: sequences and tokens a second, FLOP/s and their share of the device's peak, input included.

`python -m benchmarks.training` measures a tiny model and BERT-base on both backends; `python -m benchmarks.training --model
bert-base --backend jax --precision bfloat16 --batch-size 256` one of them, with any setting of training. It runs on what
device there is, with no other data and no network: records are made of random tokens. A machine with a GPU needs the
extras ``train,jax`` and JAX's own package for its GPU, as JAX's installation guide names it.

Each update is the trainer's own: model, optimizer, clipping, dropout. Steps are timed when all is compiled, with at most two
calls of the device on their way, and records being read meanwhile. "Input" is the share of the
time in which the loop waited for a batch. FLOPs are those of the model (`threadmill.training.models.flops`), a backward pass
being twice the forward one; a CPU's peak is measured, others are published.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.made_records import RULES, VOCABULARY, Sizes, make_records, record_format
from threadmill.commands.options import add_settings, given_settings
from threadmill.training.config import BACKENDS, TrainingConfig
from threadmill.training.inputs.records import RecordFiles, RecordFormat
from threadmill.training.models.flops import training_flops
from threadmill.training.models.presets import LEARNT, ModelSizes
from threadmill.training.runs.utilisation import peak_flops

_RECORDS = 16_384
_WARM_UP = 3  # calls of the device, the first of which compiles
_AHEAD = 2  # calls that are on their way at a time
_STEPS = 10_000_000  # of the schedule: more than are measured
_DEFAULTS = {"bert-tiny": 64, "bert-base": 8}  # the batch of each model that is measured where none is named


@dataclass(frozen=True)
class Measured:
    """Of one model in one setting: the device, its updates a second, and the share of the time that went by for input."""

    device: str
    devices: int
    updates: float
    waiting: float
    compiling: float


def main() -> None:
    """Prints one line, or with no model named the lines of all that is measured by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="of timed updates, at least")
    parser.add_argument("--sequence-length", type=int, default=128)
    parser.add_argument("--predictions", type=int, default=20, help="masked tokens a sequence")
    parser.add_argument("--target-length", type=int, default=128, help="tokens of a response")
    add_settings(parser, TrainingConfig)
    arguments = parser.parse_args()
    if not arguments.model:
        _measure_defaults(sys.argv[1:])
        return
    config = replace(TrainingConfig(steps=_STEPS), **given_settings(TrainingConfig, arguments))
    sizes = Sizes(arguments.sequence_length, arguments.predictions, arguments.target_length)
    _report(config, sizes, _measure(config, sizes, arguments.seconds))


def _measure_defaults(others: list[str]) -> None:
    """Each in a process of its own, for Keras has one backend a process."""
    for model, batch_size in _DEFAULTS.items():
        for backend in filter(importlib.util.find_spec, BACKENDS):
            flags = ["--model", model, "--backend", backend, "--batch-size", str(batch_size), *others]
            subprocess.run([sys.executable, "-m", "benchmarks.training", *flags], check=True)


def _measure(config: TrainingConfig, sizes: Sizes, seconds: float) -> Measured:
    os.environ.update(KERAS_BACKEND=config.backend, TF_CPP_MIN_LOG_LEVEL="3")
    from threadmill.training.backends.backend import get_backend
    from threadmill.training.models.build import build_model
    from threadmill.training.optimizers.build import build_optimizer, build_schedule

    backend = get_backend(config.backend)
    backend.prepare(config)
    with tempfile.TemporaryDirectory() as folder:
        records = make_records(Path(folder), LEARNT[config.preset.architecture][0], _RECORDS, sizes=sizes)
        with backend.scope():
            model = build_model(config.preset, _model_sizes(records.format), config.dropout)
            optimizer = build_optimizer(config, build_schedule(config), model)
        trainer = backend.trainer(model, optimizer, config)
        batches = _batches(config, records)
        begin = time.perf_counter()
        for _ in range(_WARM_UP):
            _wait(trainer.run(*next(batches)))
        compiling = time.perf_counter() - begin
        calls, wall, waiting = _timed(trainer, batches, seconds)
        batches.close()
    devices = backend.devices
    return Measured(devices.name, devices.count, calls * config.steps_per_execution / wall, waiting / wall, compiling)


def _model_sizes(form: RecordFormat) -> ModelSizes:
    return ModelSizes(VOCABULARY, form.max_seq_length, form.max_target_length, form.next_sentence)


def _batches(config: TrainingConfig, records: RecordFiles) -> Any:
    from threadmill.training.inputs.batches import stacked_batches
    from threadmill.training.inputs.dynamic_masking import DynamicMasking
    from threadmill.training.inputs.groups import StepGroups

    form, masking = records.format, None
    if form.masked and not form.static_masks:
        masking = DynamicMasking(RULES, VOCABULARY, form, config.seed)
    groups = StepGroups(config.steps, config.steps_per_execution)
    return stacked_batches(records, config.batch_size, config.seed, groups, masking=masking)


def _timed(trainer: Any, batches: Iterator[Any], seconds: float) -> tuple[int, float, float]:
    """Calls of the device that were made, the seconds that they took, and those of them that went by in waiting for batches."""
    ahead: deque[Any] = deque()
    begin, calls, waiting = time.perf_counter(), 0, 0.0
    while time.perf_counter() - begin < seconds:
        asked = time.perf_counter()
        inputs, labels = next(batches)
        waiting += time.perf_counter() - asked
        ahead.append(trainer.run(inputs, labels))
        calls += 1
        if len(ahead) > _AHEAD:
            _wait(ahead.popleft())
    _wait(ahead.pop())
    return calls, time.perf_counter() - begin, waiting


def _wait(measures: Any) -> None:
    import numpy as np

    if not np.isfinite(np.asarray(measures)).all():
        raise SystemExit("the loss of a measured step is not finite")


def _report(config: TrainingConfig, sizes: Sizes, measured: Measured) -> None:
    rate = measured.updates * config.batch_size
    preset = config.preset
    objective = LEARNT[preset.architecture][0]
    form = record_format(objective, sizes)
    tokens = form.max_seq_length + form.max_target_length
    flops = rate * training_flops(preset, _model_sizes(form), form.max_predictions_per_seq)
    peak = peak_flops(measured.device, measured.devices, config.precision)
    share = f"{flops / peak:.1%} of the peak, {peak / 1e12:,.2f}" if peak else "peak not known"
    print(
        f"{config.model}, {tokens} tokens a sequence, batch {config.batch_size}, {config.backend}, {config.precision}, "
        f"{measured.devices} x {measured.device}: {rate:,.1f} sequences/s, {rate * tokens:,.0f} tokens/s, "
        f"{flops / 1e12:,.3f} TFLOP/s ({share}), input {measured.waiting:.1%}; ready after {measured.compiling:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
