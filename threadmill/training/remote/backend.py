"""What an accelerator's service must do for an attempt, so that Cloud TPU, Vertex AI and others are interchangeable."""

from dataclasses import dataclass
from typing import Protocol, cast

from threadmill.cloud.extra import extra_module
from threadmill.cloud.work import Waiting
from threadmill.engine.phases import StageRun
from threadmill.training.remote.attempts import AttemptFolder
from threadmill.training.remote.spec import RemoteStage


@dataclass(frozen=True)
class Attempt:
    """One try to get the work done in one place.

    Attributes:
        name: of the remote resource, the same each time: unique to the run and the number.
        number: from 1.
        place: the zone or region.
        is_last_place: whether the run gives up where there is no capacity in it.
        folder: of its files.
    """

    name: str
    number: int
    place: str
    is_last_place: bool
    folder: AttemptFolder


class Accelerator(Protocol):
    """The functions of an accelerator's module. How an attempt goes on after it was started is told by its
    `threadmill.cloud.work.Service`: ``look``, ``outcome``, ``cancel``.
    """

    def places(self) -> list[str]:
        """The zones or regions to ask, in order.

        Raises:
            ConfigError: a setting is missing or of no use.
        """

    def check(self, stage: RemoteStage) -> None:
        """Raises ConfigError where the accelerator cannot do such a stage."""

    def most_attempts(self) -> int:
        """How many accelerators the run may be given."""

    def start(self, attempt: Attempt, stage: RemoteStage, run: StageRun) -> Waiting:
        """Asks for the accelerator, or finds that it was asked for.

        Raises:
            NoCapacityError: there is none in that place; nothing is left there.
            ConfigError, RemoteWorkError: it cannot be asked for.
        """


_ACCELERATORS = {"tpu": "threadmill.training.remote.tpu", "vertex": "threadmill.training.remote.vertex"}


def accelerator(trainer: str) -> Accelerator:
    """The accelerator of a `Site.trainer`.

    Raises:
        ConfigError: the packages of it are not installed.
    """
    return cast(Accelerator, extra_module(_ACCELERATORS[trainer], trainer))
