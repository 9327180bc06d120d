"""A checkup: checks side by side, each with a time-out, and what they found."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from functools import cached_property

from threadmill.cloud.credentials import Access
from threadmill.doctor.api import Api, ApiError
from threadmill.doctor.permissions import parts_of
from threadmill.errors import ThreadmillError
from threadmill.settings import Settings

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"
_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Finding:
    """What one check found of one thing.

    Attributes:
        status: PASS, FAIL or SKIP.
        what: was looked at.
        detail: what is so.
        command: that mends it, or what to set.
    """

    status: str
    what: str
    detail: str
    command: str = ""

    def __str__(self) -> str:
        """The line of `threadmill doctor`."""
        return f"{self.status}  {self.what}  {self.detail}" + (f"  -> {self.command}" if self.command else "")


@dataclass(frozen=True)
class Patient:
    """What is examined.

    Attributes:
        settings: of the deployment.
        access: credentials and project; None where nothing is remote, or there are none.
        resolve: also ask the package index whether the workers' packages can be had.
    """

    settings: Settings
    access: Access | None = None
    resolve: bool = False
    pause: float = 0.5

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts of Google Cloud that the deployment uses, as `permissions.APIS` names them."""
        return parts_of(self.settings)

    @property
    def project(self) -> str:
        """The project; "" where there is none."""
        return self.access.project if self.access else self.settings.project

    @property
    def api(self) -> Api:
        """The REST APIs.

        Raises:
            ThreadmillError: there are no credentials.
        """
        if self.access is None:
            raise ThreadmillError("there are no credentials")
        return Api(self.access, self.pause)


Check = Callable[[Patient], Iterable[Finding]]


def examine(patient: Patient, checks: Sequence[tuple[str, Check]], seconds: float = 90) -> list[Finding]:
    """The findings of checks that run side by side, in the checks' order.

    Args:
        checks: each with what it is called where it cannot say itself.
        seconds: that all of them together may take.
    """
    pool = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="doctor")
    try:
        futures = [(name, pool.submit(_findings, name, check, patient)) for name, check in checks]
        return [finding for name, future in futures for finding in _in_time(name, future, seconds)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_time(name: str, future: "Future[list[Finding]]", seconds: float) -> list[Finding]:
    try:
        return future.result(timeout=seconds)
    except FutureTimeoutError:
        return [
            Finding(FAIL, name, f"no answer in {seconds:.0f} seconds", "check the network and the firewall, then run it again")
        ]


def _findings(name: str, check: Check, patient: Patient) -> list[Finding]:
    try:
        return list(check(patient))
    except ApiError as error:
        return [Finding(FAIL, name, str(error), _remedy(error, patient))]
    except ThreadmillError as error:
        return [Finding(FAIL, name, str(error))]
    except Exception as error:  # the other checks' findings are worth more than this one's traceback
        return [Finding(FAIL, name, f"the check itself failed: {type(error).__name__}: {error}")]


def _remedy(error: ApiError, patient: Patient) -> str:
    if error.status == 401:
        return "gcloud auth application-default login"
    if error.status == 403:
        return (
            f"gcloud services enable {error.service}.googleapis.com --project {patient.project}, and see the line of permissions"
        )
    return "run it again in a minute" if error.status in (0, 429, 500, 502, 503, 504) else ""
