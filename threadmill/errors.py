"""The errors that a user can act on: each message says what was got, what was wanted and what to do."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadmill.cloud.work import JobRecord


class ThreadmillError(Exception):
    """Base of all errors that are shown as one line, without a traceback.

    Attributes:
        exit_code: of a program that ends with it.
        record: of the remote job that ended so, for its costs; None where there was none, or nothing is known of it.
    """

    exit_code = 2
    record: "JobRecord | None" = None


class ConfigError(ThreadmillError):
    """A setting or parameter is wrong; the same call cannot succeed."""


class InputError(ThreadmillError):
    """An input is missing, empty, truncated or malformed; the same call cannot succeed."""


class IntegrityError(ThreadmillError):
    """A dataset's files differ from what its manifest says, or counters do not add up."""


class DatasetLockedError(ThreadmillError):
    """Another process is writing this dataset; the same call can succeed later."""


class WorkerError(ThreadmillError):
    """A worker process died; the same call can succeed later, or with fewer workers."""


class DownloadError(ThreadmillError):
    """A server did not give a file; the same call can succeed later, and goes on from what has come."""


class GateError(ThreadmillError):
    """A dataset failed a check; the run must not go on with it."""


class DivergenceError(ThreadmillError):
    """The loss is no longer a number, or has risen for good; the same settings would end so again."""


class CheckpointError(ThreadmillError):
    """A checkpoint cannot be saved or read where it should be; the same call can go on from the newest good one later."""


class PreemptedError(ThreadmillError):
    """The machine asked a run to leave, and its state is saved; the same call goes on from there."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: a fault that passes


class RemoteWorkError(ThreadmillError):
    """A job on a remote service failed, or the service did; the same call can succeed later, and adopts what it started."""


class TransferError(RemoteWorkError):
    """Bytes arrived damaged or not at all on their way to a store or from it; the same call can succeed later."""


class RemoteCancelledError(ThreadmillError):
    """Somebody cancelled a job on a remote service; the run must not start it again by itself."""


class BudgetError(ThreadmillError):
    """A run would cost more than its budget."""
