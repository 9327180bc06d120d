import logging

import pytest

from threadmill.datasets.gate import Verdict, between, enforce, table
from threadmill.errors import GateError


@pytest.mark.parametrize(
    ("value", "least", "most", "verdict"),
    [
        (5, 5, 5, Verdict.PASS),
        (4, 5, None, Verdict.FAIL),
        (6, None, 5, Verdict.FAIL),
        (0.2, 0.1, 0.3, Verdict.PASS),
        (0.31, 0.1, 0.3, Verdict.FAIL),
        (float("nan"), 0.0, None, Verdict.FAIL),
        (float("nan"), None, 1.0, Verdict.FAIL),
        (99, None, None, Verdict.NOT_JUDGED),
    ],
)
def test_a_value_passes_between_its_limits_only(value: float, least: float | None, most: float | None, verdict: Verdict) -> None:
    assert between("measure", value, least, most).verdict is verdict


def test_the_table_shows_measure_limit_value_and_verdict() -> None:
    checks = [between("comments", 1075, least=1), between("tombstones", 0.1116, 0.0, 0.5), between("age", 3)]
    assert table(checks).splitlines() == [
        "measure     limit     value   verdict",
        "comments    >= 1      1,075   pass",
        "tombstones  0 to 0.5  0.1116  pass",
        "age         none      3       not judged",
    ]


def test_a_run_goes_on_when_nothing_failed(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        enforce([between("comments", 3, least=1), between("age", 3)], "comments of 2005-12")
    assert "comments of 2005-12" in caplog.text
    assert "pass" in caplog.text


def test_a_failed_check_stops_the_run_in_one_line_and_shows_the_table(caplog: pytest.LogCaptureFixture) -> None:
    checks = [between("comments", 0, least=1), between("duplicate ids", 0.5, most=0.01, note="first: c1"), between("age", 3)]
    with pytest.raises(GateError) as raised:
        enforce(checks, "comments")
    message = str(raised.value)
    assert "\n" not in message
    assert "2 of 3 checks failed" in message
    assert "duplicate ids is 0.5 (first: c1), wanted <= 0.01" in message
    assert "FAIL" in caplog.text
