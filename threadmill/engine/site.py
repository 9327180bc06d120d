"""Where the work of a stage is done, and for whom: chosen by the deployment's settings, never part of what makes the bytes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from threadmill.cloud.identity import RunIdentity
from threadmill.datasets import storage
from threadmill.settings import get_settings


def _always() -> None:
    """Nothing stands against it."""


@dataclass(frozen=True)
class Site:
    """What does the work of a stage.

    Attributes:
        identity: whose the remote work is.
        engine: runs tasks: local, beam, dataflow.
        warehouse: joins, groups and sorts: duckdb, bigquery.
        trainer: trains and evaluates models: local, tpu, vertex.
        workers: processes of the local engine at most; None for as many as there are cores.
        before_start: called before remote work is started that costs money; raises where it must not be. What is under way, or
            done, is gone on with.
    """

    identity: RunIdentity
    engine: str = "local"
    warehouse: str = "duckdb"
    trainer: str = "local"
    workers: int | None = None
    before_start: Callable[[], None] = field(default=_always, compare=False, repr=False)


def local_site(workers: int | None = None) -> Site:
    """This machine, whatever the settings say."""
    return Site(RunIdentity("", "", ""), workers=workers)


def settings_site(identity: RunIdentity, workers: int | None = None) -> Site:
    """What the settings of this process choose."""
    return Site(identity, *get_settings().runs_on, workers=workers or get_settings().workers or None)


def shell_identity(stage: str, uri: str) -> RunIdentity:
    """The identity of a run from the shell: the same command with the same output finds its remote work again."""
    return RunIdentity("shell", storage.absolute(uri), stage)
