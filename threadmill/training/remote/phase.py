"""A stage on an accelerator: attempt after attempt, each from the last checkpoint, until its receipt is there."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import orjson

from threadmill.cloud.work import Waiting
from threadmill.datasets import storage
from threadmill.datasets.unfinished import RECEIPTS
from threadmill.engine.phases import Phase, StageRun
from threadmill.engine.stage import MapStage
from threadmill.errors import ConfigError, RemoteWorkError
from threadmill.training.remote.attempts import AGAIN, FINISHED, NO_CAPACITY, REMOTE, Attempts, End, next_place
from threadmill.training.remote.backend import Accelerator, Attempt, accelerator
from threadmill.training.remote.no_capacity import NoCapacityError, no_capacity_message
from threadmill.training.remote.spec import RemoteStage, read_spec

log = logging.getLogger(__name__)

_NAME_LENGTH = 56  # leaves room for the attempt's number below the 63 letters of a label


@dataclass(frozen=True)
class AcceleratorPhase(Phase):
    """The tasks of ``stage``, done by the host of a TPU or by a job on Vertex AI, as the site says.

    The host runs the same code on the same inputs, writes the same files into the output's bucket, and a receipt a task; the
    launcher then writes the manifest, as of a run on its own machine.
    """

    stage: MapStage
    run: StageRun

    def steps(self) -> Iterator[Waiting]:
        """Starts an attempt, or finds the one that was started, and yields it; the next one where its accelerator was taken
        away.

        Raises:
            ConfigError: the output or an input is on this machine, or as many accelerators were taken away as a run is given.
            RemoteWorkError: there is no capacity anywhere now, or the host ended well without a result.
        """
        stage, device = cast(RemoteStage, self.stage), accelerator(self.run.site.trainer)
        self._check_remote()
        device.check(stage)
        attempts = Attempts(self.run.uri, self.run.site.identity.name(self.run.key, length=_NAME_LENGTH))
        places = device.places()
        # An attempt that did all while its launcher was dead is looked after, too: its accelerator must go, its costs be noted.
        while not self._is_done() or attempts.is_one_under_way:
            ends = attempts.ends()
            if ends and ends[-1].cause == FINISHED and attempts.folder(len(ends)).note_doubt():
                raise RemoteWorkError(
                    f"{self.stage.name}: the host of attempt {len(ends)} ended well, but left no receipt in {self.run.uri}; "
                    f"see {attempts.folder(len(ends)).log_uri}, then run it again"
                )
            self._check_bound(ends, device)
            attempt = _attempt(attempts, ends, places)
            try:
                waiting = device.start(attempt, stage, self.run)
            except NoCapacityError as error:
                _note_no_capacity(attempt, str(error))
                continue
            yield waiting

    def clean_up(self) -> None:
        """Removes what the attempts left: their specs, heartbeats and logs."""
        storage.remove_tree(storage.join(self.run.uri, REMOTE))

    def _is_done(self) -> bool:
        """Whether all receipts are there. (Nothing is removed, as `collect_receipts` would: a host may be at work.)"""
        return all(self._has_receipt(task.name) for task in self.run.plan.tasks)

    def _has_receipt(self, name: str) -> bool:
        try:
            receipt = orjson.loads(storage.read_bytes(storage.join(self.run.uri, RECEIPTS, f"{name}.json")))
        except (FileNotFoundError, orjson.JSONDecodeError):
            return False
        return bool(receipt.get("key") == self.run.key)

    def _check_remote(self) -> None:
        trainer = self.run.site.trainer
        for uri in (self.run.uri, *(entry.uri for entry in self.run.plan.inputs)):
            if storage.is_local(uri):
                raise ConfigError(
                    f"{self.stage.name}: {uri} is on this machine, where a host of {trainer} cannot reach it; name a place in a "
                    "bucket (gs://...), or set THREADMILL_TRAINER=local"
                )

    def _check_bound(self, ends: list[End], device: Accelerator) -> None:
        given = [end for end in ends if end.cause in AGAIN]
        if len(given) >= device.most_attempts():
            raise ConfigError(
                f"{self.stage.name}: {len(given)} accelerators were given to this run and taken away again (the last in "
                f"{given[-1].place}: {given[-1].message}); raise THREADMILL_TPU_ATTEMPTS, or set THREADMILL_TPU_SPOT=false, "
                "and run it again: it goes on from the last checkpoint"
            )


def _attempt(attempts: Attempts, ends: list[End], places: list[str]) -> Attempt:
    number = len(ends) + 1
    folder = attempts.folder(number)
    # One that was asked for is where it was asked for, whatever the settings say since.
    is_asked = storage.exists(folder.spec_uri)
    place = read_spec(folder.spec_uri).place if is_asked else places[next_place(ends, places)]
    return Attempt(f"{attempts.name}-{number}", number, place, place == places[-1], folder)


def _note_no_capacity(attempt: Attempt, message: str) -> None:
    attempt.folder.make()
    attempt.folder.note_end(End(NO_CAPACITY, message, place=attempt.place))
    attempt.folder.note_told()
    log.warning("%s", message)
    if attempt.is_last_place:
        raise RemoteWorkError(no_capacity_message(message, attempt.place))
