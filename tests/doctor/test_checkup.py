"""Checks run side by side, each within its time, and none takes another down."""

import threading
from collections.abc import Iterator

from threadmill.doctor.checkup import FAIL, PASS, Finding, Patient, examine
from threadmill.errors import ConfigError
from threadmill.settings import Settings

PATIENT = Patient(Settings(platform="local"))


def well(_: Patient) -> Iterator[Finding]:
    yield Finding(PASS, "this", "is well")


def test_checks_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meets(_: Patient) -> Iterator[Finding]:
        meeting.wait()
        yield Finding(PASS, "met", "")

    assert [finding.status for finding in examine(PATIENT, [("a", meets), ("b", meets), ("c", meets)])] == [PASS] * 3


def test_a_check_that_hangs_fails_after_its_time() -> None:
    ever = threading.Event()

    def hangs(_: Patient) -> Iterator[Finding]:
        ever.wait(20)
        yield Finding(PASS, "late", "")

    found = examine(PATIENT, [("slow one", hangs), ("quick one", well)], seconds=0.2)
    ever.set()
    assert [(finding.status, finding.what) for finding in found] == [(FAIL, "slow one"), (PASS, "this")]
    assert "no answer in" in found[0].detail


def test_a_check_that_breaks_is_a_line_too() -> None:
    def breaks(_: Patient) -> Iterator[Finding]:
        raise ZeroDivisionError("by nothing")
        yield

    def refuses(_: Patient) -> Iterator[Finding]:
        raise ConfigError("a setting is wrong; mend it")
        yield

    found = examine(PATIENT, [("odd", breaks), ("set", refuses), ("quick one", well)])
    assert [finding.status for finding in found] == [FAIL, FAIL, PASS]
    assert "ZeroDivisionError: by nothing" in found[0].detail
    assert found[1].detail == "a setting is wrong; mend it"
