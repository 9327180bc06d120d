from collections.abc import Iterator

import pytest

from threadmill.cloud.stopping import cancel_all
from threadmill.cloud.work import Waiting
from threadmill.warehouse.bigquery import concurrency
from threadmill.warehouse.bigquery.concurrency import side_by_side


def work(log: list[str], name: str, steps: int) -> Iterator[Waiting]:
    for step in range(steps):
        log.append(f"begin {name}{step}")
        yield Waiting("bigquery", {"job": f"{name}{step}"}, f"{name}{step}", "out")
        log.append(f"end {name}{step}")


def test_all_works_begin_before_any_is_waited_for_and_each_goes_on_in_its_order() -> None:
    log: list[str] = []
    steps = side_by_side([work(log, "a", 2), work(log, "none", 0), work(log, "b", 1), work(log, "c", 3)])
    waited = [next(steps).what]
    assert log == ["begin a0", "begin b0", "begin c0"]
    waited += [waiting.what for waiting in steps]
    assert waited == ["a0", "b0", "c0", "a1", "c1", "c2"]
    for name, count in (("a", 2), ("b", 1), ("c", 3)):
        own = [line for line in log if f" {name}" in line]
        assert own == [f"{what} {name}{step}" for step in range(count) for what in ("begin", "end")]


def test_who_waits_for_one_knows_of_the_others_so_that_all_can_be_cancelled() -> None:
    steps = side_by_side([work([], "a", 1), work([], "b", 2)])
    assert [[handle["job"] for handle in waiting.beside] for waiting in steps] == [["b0"], [], []]


def test_who_is_asked_to_stop_while_works_begin_cancels_those_that_have_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr(concurrency, "cancel", lambda waiting: cancelled.append(waiting.what))

    def interrupted() -> Iterator[Waiting]:
        cancel_all()
        assert sorted(cancelled) == ["a0", "b0"]
        raise SystemExit
        yield

    with pytest.raises(SystemExit):
        next(side_by_side([work([], "a", 1), work([], "b", 1), interrupted()]))
    assert sorted(cancelled) == ["a0", "a0", "b0", "b0"]


def test_no_work_is_no_wait() -> None:
    assert list(side_by_side([])) == []
