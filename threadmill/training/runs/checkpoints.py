"""Checkpoints by step: the whole state of a run, written atomically, the newest ones kept, damaged ones passed over."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import partial

import msgspec
import numpy as np

from threadmill.datasets import storage
from threadmill.errors import CheckpointError, ConfigError, DivergenceError, InputError
from threadmill.training.runs.checkpoint_files import (
    CHECKPOINT_NAME,
    STEP_PREFIX,
    Checkpoint,
    State,
    checkpoint_places,
    describe,
    published_steps,
    read_files,
    remove_checkpoint,
    remove_unlisted,
    write_files,
)
from threadmill.training.runs.identity import Identity, differences
from threadmill.training.runs.reaching import reaching
from threadmill.training.runs.tensor_files import DamagedFileError, Tensors

log = logging.getLogger(__name__)

BEST_NAME = "best"
MODEL_PREFIX = "model/"

_THREADS = 4


class Checkpoints:
    """The checkpoints of a run below ``uri``, a local folder or any that fsspec reaches: ``step-N/`` and ``best/``.

    A checkpoint is safetensors files of some 256 MB and ``checkpoint.json`` (`Checkpoint`), which is written when they are
    on the disk or in the bucket. So one that was cut off is never seen; the next run removes it.

    Args:
        uri: the folder.
        keep: how many to keep, beside the best.
        identity: of the run, see `threadmill.training.processes.spec.TrainerSpec`.
        before_publishing: called when a checkpoint's files are written, before it counts: what must not lag behind it.
    """

    def __init__(self, uri: str, keep: int, identity: Identity, before_publishing: Callable[[], None] = lambda: None) -> None:
        self._uri, self._keep, self._identity = uri, keep, dict(identity)
        self._before_publishing = before_publishing
        self._good: list[int] = []

    @property
    def steps(self) -> list[int]:
        """The steps of the checkpoints that are there, ascending."""
        return published_steps(self._uri)

    @property
    def best(self) -> Checkpoint | None:
        """What is told of the best checkpoint by validation; None where there is none.

        Raises:
            CheckpointError: the place is not to be reached.
        """
        place = storage.join(self._uri, BEST_NAME)
        with self._reaching(f"the best checkpoint in {place} is not read"), suppress(DamagedFileError):
            return describe(place)
        return None

    def place(self, step: int) -> str:
        """The URI of the checkpoint of ``step``."""
        return storage.join(self._uri, f"{STEP_PREFIX}{step}")

    def last_good(self, at_most: int) -> str:
        """The URI of the newest checkpoint of a step up to ``at_most`` that this run went on from or saved.

        Where it keeps none of these, the best by validation, if it is of such a step; else "".
        """
        if newest := max((step for step in self._good if step <= at_most), default=0):
            return self.place(newest)
        with suppress(CheckpointError):
            if (best := self.best) and best.step <= at_most:
                return storage.join(self._uri, BEST_NAME)
        return ""

    def save(self, step: int, state: Tensors, loss: float) -> None:
        """Saves the state after ``step``, unless it is saved, then removes the oldest checkpoints beyond those to keep.

        Args:
            state: every array that the next steps depend on, by name.

        Raises:
            CheckpointError: the disk is full, or the place is not to be reached. No earlier checkpoint is touched.
            DivergenceError: a number of the state is not finite. It is not saved.
        """
        if step in self._good:
            return
        self._check_finite(step, state)
        place = self.place(step)
        with self._reaching(f"the checkpoint of step {step} is not saved in {place}"):
            remove_checkpoint(place)  # a damaged one, or one beyond the end of the loss log
            self._write(place, step, state, loss)
        self._good.append(step)
        with self._reaching(f"old checkpoints are not removed in {self._uri}"):
            for old in [found for found in self.steps if found <= step][: -self._keep]:
                remove_checkpoint(self.place(old))
                self._good = [good for good in self._good if good != old]

    def save_best(self, step: int, state: Tensors, loss: float) -> None:
        """Saves the state after ``step`` as the best, in place of the one before.

        Args:
            loss: of the validation.

        Raises:
            CheckpointError, DivergenceError: as `save`.
        """
        self._check_finite(step, state)
        place = storage.join(self._uri, BEST_NAME)
        with self._reaching(f"the best checkpoint, of step {step}, is not saved in {place}"):
            # Beside the files of the one before, which are removed when this one counts.
            written = self._write(place, step, state, loss, prefix=f"{STEP_PREFIX}{step}-")
            keep = {CHECKPOINT_NAME, *(file.name for file in written.files)}
            for name in storage.list_names(place):
                if name not in keep:
                    storage.remove(storage.join(place, name))

    def restore(self, at_most: int) -> tuple[int, State]:
        """The newest whole checkpoint of a step up to ``at_most``, after those that were cut off have been removed.

        Returns:
            Its step and state; 0 and {} where there is none.

        Raises:
            ConfigError: it is of another run; the message names the settings that differ.
            CheckpointError: the place is not to be reached, or all that are there are damaged, or beyond ``at_most``.
        """
        with self._reaching(f"the checkpoints in {self._uri} are not read"):
            self._remove_orphans()
            passed_over = []
            for step in reversed(self.steps):
                place = self.place(step)
                if step > at_most:
                    log.warning("%s is passed over: the loss log ends before it", place)
                    passed_over.append(f"losses.jsonl is whole up to step {at_most}, and it is of step {step}")
                    continue
                try:
                    state = self._read(place, step)
                except DamagedFileError as error:
                    log.warning("%s is damaged and passed over (%s)", place, error)
                    passed_over.append(str(error))
                    continue
                self._good = [found for found in self.steps if found <= step]
                return step, state
        if passed_over:  # to begin anew in silence might cost weeks
            raise CheckpointError(
                f"none of the {len(passed_over)} checkpoints in {self._uri} can be gone on from (of the newest, {passed_over[0]}"
                f"); bring the files back as they were, or delete {self._uri} to begin anew"
            )
        return 0, {}

    def restore_best(self) -> tuple[int, State]:
        """The best checkpoint by validation, as `restore`.

        Raises:
            ConfigError, CheckpointError: as `restore`; CheckpointError also where it is damaged.
        """
        place = storage.join(self._uri, BEST_NAME)
        with self._reaching(f"the best checkpoint in {place} is not read"):
            best = self.best
            return (best.step, self._read(place, best.step)) if best else (0, {})

    def _write(self, place: str, step: int, state: Tensors, loss: float, prefix: str = "") -> Checkpoint:
        storage.make_directory(place)
        try:
            files = write_files(place, state, prefix)
            self._before_publishing()
        except BaseException:
            with suppress(Exception):  # it may be out of reach; the next run removes what is left
                remove_unlisted(place)
            raise
        backend, created = str(self._identity.get("backend", "")), datetime.now(UTC).isoformat(timespec="seconds")
        checkpoint = Checkpoint(step, loss, backend, self._identity, files, created)
        storage.sync_directory(place)
        storage.write_bytes(storage.join(place, CHECKPOINT_NAME), msgspec.json.format(msgspec.json.encode(checkpoint)))
        for folder in (place, self._uri):
            storage.sync_directory(folder)
        return checkpoint

    def _read(self, place: str, step: int) -> State:
        checkpoint = describe(place)
        if checkpoint.step != step:
            raise DamagedFileError(f"{storage.join(place, CHECKPOINT_NAME)} tells of step {checkpoint.step}")
        if differs := differences(checkpoint.identity, self._identity):
            raise ConfigError(
                f"{place} is a checkpoint of a run of other settings ({differs}); set them as they were to go on with it, "
                f"name another output or another place for the checkpoints, or delete {self._uri} to begin anew"
            )
        return read_files(place, checkpoint.files)

    def _remove_orphans(self) -> None:
        whole = {f"{STEP_PREFIX}{step}" for step in self.steps}
        for name in storage.list_names(self._uri):
            if name.startswith(STEP_PREFIX) and name not in whole:
                storage.remove_tree(storage.join(self._uri, name))
        remove_unlisted(storage.join(self._uri, BEST_NAME))

    def _check_finite(self, step: int, state: Tensors) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            finite = dict(zip(state, pool.map(_is_finite, state.values()), strict=True))
        if not all(finite.values()):
            name = next(name for name in finite if not finite[name])
            raise DivergenceError(
                f"training diverged at step {step}: {name} is not finite after it, and is not saved "
                f"({self._told_last_good(step)}); lower the learning rate or lengthen the warm-up"
            )

    def _told_last_good(self, at_most: int) -> str:
        place = self.last_good(at_most)
        return f"the last good checkpoint is {place}" if place else "there is no checkpoint before it"

    def _reaching(self, failure: str) -> AbstractContextManager[None]:
        return reaching(failure, self._told_newest)

    def _told_newest(self) -> str:
        newest = max(self._good, default=0)
        return f"the newest good checkpoint is {self.place(newest)}; " if newest else "no checkpoint was saved or read before; "


def read_weights(uri: str) -> State:
    """The weights of a model from a checkpoint's folder, or from the newest whole one in a folder of checkpoints.

    Returns:
        Arrays by the paths of the model's variables.

    Raises:
        InputError: there is no checkpoint, or it is damaged.
    """
    damage = "it has neither checkpoint.json nor a folder step-N with one"
    for place in checkpoint_places(uri):
        try:
            return _read_model(place)
        except DamagedFileError as error:
            damage = str(error)
            log.warning("%s is damaged and passed over (%s)", place, error)
    raise InputError(f"{uri} holds no whole checkpoint ({damage}); name the folder of a checkpoint, or of a run's checkpoints")


def _read_model(place: str) -> State:
    files = [file for file in describe(place).files if any(name.startswith(MODEL_PREFIX) for name in file.tensors)]
    state = read_files(place, files)
    return {name.removeprefix(MODEL_PREFIX): values for name, values in state.items() if name.startswith(MODEL_PREFIX)}


def _is_finite(values: np.ndarray, block: int = 1 << 22) -> bool:
    if values.dtype.kind in "biu":
        return True
    flat = values.reshape(-1)
    return all(map(partial(_block_is_finite, flat, block), range(0, flat.size, block)))


def _block_is_finite(flat: np.ndarray, block: int, start: int) -> bool:
    return bool(np.isfinite(flat[start : start + block]).all())
