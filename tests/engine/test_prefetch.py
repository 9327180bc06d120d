import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.engine.prefetch import prefetch


@given(st.lists(st.integers() | st.none()), st.integers(1, 5))
def test_items_come_in_order(items: list[int | None], depth: int) -> None:
    assert list(prefetch(items, depth)) == items


class Source:
    """Numbers, with a note of how many were made and whether the generator was closed, and in which thread."""

    def __init__(self, count: int, error_at: int | None = None) -> None:
        self.count, self.error_at = count, error_at
        self.made = 0
        self.closed = False
        self.thread: threading.Thread | None = None

    def numbers(self) -> Iterator[int]:
        self.thread = threading.current_thread()
        try:
            for number in range(self.count):
                if number == self.error_at:
                    raise ValueError(f"no number {number}")
                self.made += 1
                yield number
        finally:
            self.closed = True


def test_items_are_made_in_another_thread_ahead_of_the_consumer_but_not_by_much() -> None:
    source = Source(100)
    items = prefetch(source.numbers(), depth=2)
    assert next(items) == 0
    assert source.thread is not threading.current_thread()
    end = time.monotonic() + 10
    while source.made < 4 and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(0.05)
    assert source.made == 4, "one taken, two that wait, one that finds no room"
    assert list(items) == list(range(1, 100))


def test_nothing_is_made_before_it_is_asked_for() -> None:
    source = Source(3)
    prefetch(source.numbers())
    time.sleep(0.02)
    assert source.made == 0


def test_an_error_comes_where_the_item_would_have_come() -> None:
    items = prefetch(Source(5, error_at=3).numbers())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no number 3"):
        next(items)
    assert list(items) == []


@pytest.mark.parametrize("taken", [1, 5])
def test_a_consumer_that_stops_early_ends_the_thread_and_closes_the_source(taken: int) -> None:
    source = Source(10_000)
    items = prefetch(source.numbers())
    for _ in range(taken):
        next(items)
    assert source.thread is not None
    items.close()  # type: ignore[attr-defined]
    assert not source.thread.is_alive()
    assert source.closed
    assert source.made < taken + 5


def test_one_prefetch_within_another_ends_both_threads() -> None:
    source = Source(10_000)
    middle = (number * 2 for number in prefetch(source.numbers()))
    outer = prefetch(middle)
    assert [next(outer), next(outer)] == [0, 2]
    before = threading.active_count()
    outer.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before - 2
    assert source.closed


def test_a_consumer_s_error_ends_the_thread() -> None:
    source = Source(10_000)

    def consume() -> None:
        for number in prefetch(source.numbers()):
            if number == 2:
                raise KeyError("stop")

    with pytest.raises(KeyError):
        consume()
    assert source.thread is not None
    source.thread.join(10)
    assert not source.thread.is_alive()
    assert source.closed


def test_an_interruption_of_the_source_is_passed_on() -> None:
    def numbers() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    items = prefetch(numbers())
    assert next(items) == 1
    with pytest.raises(KeyboardInterrupt):
        next(items)
