"""Work that a process waits for is cancelled where the process is asked to stop, and only then."""

import threading

import pytest

from threadmill.cloud.credentials import Access, access_in_use, use_access
from threadmill.cloud.stopping import cancel_all, cancelled_at_stop


class AskedToStop(BaseException):
    """As Airflow's time-out of a task: no Exception."""


ACCESS = Access("credentials", "a-project")


def test_an_end_and_an_error_cancel_nothing() -> None:
    cancelled: list[str] = []
    with cancelled_at_stop("job", lambda: cancelled.append("job")):
        pass
    with pytest.raises(ValueError, match="of its own"), cancelled_at_stop("job", lambda: cancelled.append("job")):
        raise ValueError("of its own")
    cancel_all()
    assert cancelled == []


@pytest.mark.parametrize("reason", [KeyboardInterrupt, SystemExit, AskedToStop])
def test_who_is_asked_to_stop_cancels_what_it_waits_for(reason: type[BaseException]) -> None:
    cancelled: list[str] = []
    with pytest.raises(reason), cancelled_at_stop("job", lambda: cancelled.append("job")):
        raise reason
    assert cancelled == ["job"]


def test_all_is_cancelled_in_other_threads_and_one_that_fails_keeps_none_from_it(caplog: pytest.LogCaptureFixture) -> None:
    cancelled: list[tuple[str, bool, Access | None]] = []

    def refused() -> None:
        raise ConnectionError("no route")

    def noted(name: str) -> None:
        cancelled.append((name, threading.current_thread() is threading.main_thread(), access_in_use()))

    with (
        use_access(ACCESS),
        cancelled_at_stop("one", lambda: noted("one")),
        cancelled_at_stop("two", refused),
        cancelled_at_stop("three", lambda: noted("three")),
    ):
        cancel_all()
    assert sorted(cancelled) == [("one", False, ACCESS), ("three", False, ACCESS)]
    assert "two could not be cancelled" in caplog.text
