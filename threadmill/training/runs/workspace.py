"""The working files of a run, and which run they belong to: another one's checkpoints are never resumed by mistake."""

import os
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from threadmill.datasets import storage
from threadmill.errors import ConfigError
from threadmill.training.runs.checkpoint_files import STEP_PREFIX, describe, is_published, published_steps
from threadmill.training.runs.checkpoints import BEST_NAME
from threadmill.training.runs.identity import Identity, differences
from threadmill.training.runs.log_copies import LogCopies
from threadmill.training.runs.losses import LOSSES_NAME, VALIDATION_NAME
from threadmill.training.runs.reaching import reaching
from threadmill.training.runs.status import STATUS_NAME
from threadmill.training.runs.tensor_files import DamagedFileError

MODEL_NAME = "model.keras"
EVALUATION_NAME = "evaluation.json"
CHECKPOINTS_NAME, TENSORBOARD_NAME = "checkpoints", "tensorboard"  # folders

_RUN_NAME = "run.json"


@dataclass(frozen=True)
class _Owner:
    """The content of run.json: whose a place is, and whether that run has come to its end."""

    identity: Identity
    finished: bool


@dataclass(frozen=True)
class Workspace:
    """The folder of a run. ``status.json`` and ``losses.jsonl`` lie in it, beside these.

    Attributes:
        checkpoints_uri: where the checkpoints are, if not in the folder; the place of a run, too.
    """

    folder: str
    checkpoints_uri: str = ""

    @property
    def checkpoints(self) -> str:
        """The folder of the checkpoints, where they have no other place."""
        return os.path.join(self.folder, CHECKPOINTS_NAME)

    @property
    def tensorboard(self) -> str:
        """The folder of TensorBoard's event files."""
        return os.path.join(self.folder, TENSORBOARD_NAME)

    @property
    def export(self) -> str:
        """The folder of the finished model, until it is taken into the dataset."""
        return os.path.join(self.folder, "export")

    @property
    def losses(self) -> str:
        """The loss log."""
        return os.path.join(self.folder, LOSSES_NAME)

    @property
    def validation(self) -> str:
        """The log of validations."""
        return os.path.join(self.folder, VALIDATION_NAME)

    @property
    def elsewhere(self) -> bool:
        """Whether the checkpoints are not in the folder."""
        return bool(self.checkpoints_uri) and storage.absolute(self.checkpoints_uri) != storage.absolute(self.checkpoints)

    @property
    def log_copies(self) -> LogCopies:
        """The logs' copies beside checkpoints that are elsewhere; of a finished run, beside all."""
        return self._copies(self.checkpoints_uri if self.elsewhere else "")

    def claim(self, identity: Identity) -> None:
        """Makes the folder, and the place of the checkpoints, those of the run ``identity``: as they are if they were so
        before, cleared if another run ended there.

        Raises:
            ConfigError: one holds the unfinished work of another run; the message names the settings that differ.
            CheckpointError: the place of the checkpoints is not to be reached.
        """
        owned = [_is_owned(place, identity, locked=place == self.checkpoints) for place in self._places]
        if not owned[0]:
            for path in (self.losses, self.validation, self.tensorboard, self.export):
                storage.remove_tree(path)
            for name in storage.list_names(self.checkpoints):
                if name != _RUN_NAME:  # which tells to the last whose they were
                    storage.remove_tree(storage.join(self.checkpoints, name))
            os.makedirs(self.checkpoints, exist_ok=True)
            _write_owner(self.checkpoints, identity, finished=False)
        elif not self.elsewhere:
            self._copies(self.checkpoints).fetch()  # the logs of a finished model that is made again, as its files are gone
        if self.elsewhere and not owned[-1]:
            with reaching(f"{self.checkpoints_uri} is not claimed for the run's checkpoints"):
                _clear(self.checkpoints_uri)
                storage.make_directory(self.checkpoints_uri)
                _write_owner(self.checkpoints_uri, identity, finished=False)

    def finish(self, identity: Identity) -> None:
        """Notes that the run has come to its end, so that another may have the folder; keeps its logs with its checkpoints."""
        self._copies(self.checkpoints_uri if self.elsewhere else self.checkpoints).publish()
        for place in self._places:
            with reaching(f"the end of the run is not noted in {place}"):
                _write_owner(place, identity, finished=True)

    def _copies(self, uri: str) -> LogCopies:
        return LogCopies((self.losses, self.validation), uri)

    @property
    def _places(self) -> list[str]:
        return [self.checkpoints, *([self.checkpoints_uri] if self.elsewhere else [])]


def _is_owned(place: str, identity: Identity, *, locked: bool) -> bool:
    """True if ``place`` is the run's already, False if it may be taken.

    Args:
        locked: nobody else is at work there, so that a run which has no checkpoint yet has nothing to go on from: settings
            that were refused at its start, say, can be mended.
    """
    with reaching(f"{place} is not read"):
        owner = _read_owner(place)
    if owner is not None and owner.identity == dict(identity):
        return True
    if owner is not None and not owner.finished and not (locked and not _has_checkpoints(place)):
        raise ConfigError(
            f"{place} holds an unfinished run of other settings ({differences(owner.identity, identity)}); "
            "set them as they were to go on with it, name another output, or delete that folder to begin anew"
        )
    return False


def _clear(place: str) -> None:
    """Removes what a finished run left in a place that may hold other things besides. Whose it was is told to the last."""
    if _read_owner(place) is None:
        return
    for name in storage.list_names(place):
        if name.startswith(STEP_PREFIX) or name in (BEST_NAME, LOSSES_NAME, VALIDATION_NAME, STATUS_NAME):
            storage.remove_tree(storage.join(place, name))


def _has_checkpoints(place: str) -> bool:
    return bool(published_steps(place)) or is_published(storage.join(place, BEST_NAME))


def _read_owner(place: str) -> _Owner | None:
    """Whose a place is, by run.json, or where that is gone or damaged, by the newest checkpoint there: of an unfinished run."""
    with suppress(FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(storage.read_bytes(storage.join(place, _RUN_NAME)), type=_Owner)
    for step in reversed(published_steps(place)):
        with suppress(DamagedFileError):
            return _Owner(describe(storage.join(place, f"{STEP_PREFIX}{step}")).identity, finished=False)
    return None


def _write_owner(place: str, identity: Identity, *, finished: bool) -> None:
    content = msgspec.json.format(msgspec.json.encode(_Owner(dict(identity), finished)))
    storage.write_bytes(storage.join(place, _RUN_NAME), content)
