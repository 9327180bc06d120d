"""The working files of a run, and which run they belong to: another one's checkpoints are never resumed by mistake."""

import os
import shutil
from dataclasses import dataclass
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.errors import ConfigError
from threadmill.training.runs.identity import Identity, differences
from threadmill.training.runs.losses import LOSSES_NAME

MODEL_NAME = "model.keras"
EVALUATION_NAME = "evaluation.json"

_RUN_NAME = "run.json"


@dataclass(frozen=True)
class Workspace:
    """The folder of a run. ``status.json`` and ``losses.jsonl`` lie in it, beside these."""

    folder: str

    @property
    def checkpoints(self) -> str:
        """The folder of the checkpoints."""
        return os.path.join(self.folder, "checkpoints")

    @property
    def tensorboard(self) -> str:
        """The folder of TensorBoard's event files."""
        return os.path.join(self.folder, "tensorboard")

    @property
    def export(self) -> str:
        """The folder of the finished model, until it is taken into the dataset."""
        return os.path.join(self.folder, "export")

    @property
    def losses(self) -> str:
        """The loss log."""
        return os.path.join(self.folder, LOSSES_NAME)

    def claim(self, identity: Identity) -> None:
        """Makes the folder that of the run ``identity``: as it is if it was so before, cleared if another run ended there.

        Raises:
            ConfigError: it holds the unfinished work of another run; the message names the settings that differ.
        """
        owner = self._owner()
        if owner is not None and owner["identity"] == dict(identity):
            return
        if owner is not None and not owner["finished"]:
            raise ConfigError(
                f"{self.checkpoints} holds an unfinished run of other settings ({differences(owner['identity'], identity)}); "
                "set them as they were to go on with it, name another output, or delete that folder to begin anew"
            )
        storage.remove(self.losses)
        for folder in (self.tensorboard, self.export, self.checkpoints):  # last the one that tells whose they were
            shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(self.checkpoints)
        self._write_owner(identity, finished=False)

    def finish(self, identity: Identity) -> None:
        """Notes that the run has come to its end, so that another may have the folder."""
        self._write_owner(identity, finished=True)

    def _owner(self) -> dict[str, Any] | None:
        if not os.path.exists(self._owner_path):
            return None
        owner: dict[str, Any] = orjson.loads(storage.read_bytes(self._owner_path))
        return owner

    def _write_owner(self, identity: Identity, *, finished: bool) -> None:
        value = {"identity": dict(identity), "finished": finished}
        storage.write_bytes(self._owner_path, orjson.dumps(value, option=orjson.OPT_INDENT_2))

    @property
    def _owner_path(self) -> str:
        return os.path.join(self.checkpoints, _RUN_NAME)
