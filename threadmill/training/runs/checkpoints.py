"""Checkpoints by step: the whole state of a run, written atomically, the newest ones kept, damaged ones passed over."""

import logging
import os
import shutil
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

log = logging.getLogger(__name__)

_NAME = "step"


class Checkpoints:
    """The checkpoints in ``folder``: ``step-N.index`` and ``step-N.data-*``, listed in the file ``checkpoint``.

    tf.train.CheckpointManager lists a checkpoint when all of it is written, so one that was cut off is never seen.

    Args:
        state: all variables that the next steps depend on: Keras's variables of the model, its optimizer, and the
            states of its random generators (without which dropout would differ after a restart).
        keep: how many to keep.
    """

    def __init__(self, folder: str, state: Iterable[Any], keep: int) -> None:
        variables = [(variable.path, variable.value) for variable in state]
        if len(dict(variables)) != len(variables):
            raise ValueError("two variables of the model share a path, so a checkpoint would hold one of them only")
        self._checkpoint = tf.train.Checkpoint(**dict(variables))
        self._manager = tf.train.CheckpointManager(self._checkpoint, folder, max_to_keep=keep, checkpoint_name=_NAME)

    @property
    def steps(self) -> list[int]:
        """The steps of the checkpoints that are kept, ascending."""
        return sorted(map(_step, self._manager.checkpoints))

    def save(self, step: int) -> None:
        """Saves the state after ``step``, then removes the oldest checkpoints beyond those to keep."""
        self._manager.save(checkpoint_number=step)

    def restore(self, at_most: int) -> int:
        """Sets all variables to the newest whole checkpoint of a step up to ``at_most``.

        Returns:
            Its step; 0, and the variables untouched, where there is none.
        """
        self._remove_orphans()
        for path in sorted(self._manager.checkpoints, key=_step, reverse=True):
            if _step(path) > at_most:
                log.warning("%s is passed over: the loss log ends before it", path)
            elif self._restored(path):
                return _step(path)
        return 0

    def _restored(self, path: str) -> bool:
        try:
            # Read whole before anything is set, so that a damaged one leaves the variables as they are.
            reader = tf.train.load_checkpoint(path)
            for name in reader.get_variable_to_shape_map():
                reader.get_tensor(name)
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            log.warning("%s is damaged and passed over (%s)", path, str(error).splitlines()[0])
            return False
        self._checkpoint.restore(path).assert_consumed()
        return True

    def _remove_orphans(self) -> None:
        """Removes what killed runs left: half-written checkpoints, and old ones that they had no time to remove."""
        known = {os.path.basename(path) for path in self._manager.checkpoints}
        folder = self._manager.directory
        for entry in os.scandir(folder) if os.path.isdir(folder) else ():
            if not entry.name.startswith(f"{_NAME}-") or entry.name.split(".")[0] in known:
                continue
            if entry.is_dir():
                shutil.rmtree(entry.path)
            else:
                os.remove(entry.path)


def _step(path: str) -> int:
    return int(path.rsplit("-", 1)[-1])
