import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.engine.ordered import map_in_order


@given(st.lists(st.integers()), st.integers(1, 4))
def test_results_come_in_the_order_of_the_items(items: list[int], workers: int) -> None:
    assert list(map_in_order(lambda item: item * 2, items, workers)) == [item * 2 for item in items]


def test_a_slow_item_holds_up_no_other_but_its_result_comes_in_its_place() -> None:
    second_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_done.wait(10), "the others go on meanwhile"
        if item == 1:
            second_done.set()
        return item

    assert list(map_in_order(work, range(5), workers=2)) == list(range(5))


class Numbers:
    """A source that notes how many it gave, and whether it was closed."""

    def __init__(self, count: int, error_at: int | None = None) -> None:
        self.count, self.error_at = count, error_at
        self.given = 0
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            for number in range(self.count):
                if number == self.error_at:
                    raise ValueError(f"no number {number}")
                self.given += 1
                yield number
        finally:
            self.closed = True


def test_no_more_than_a_few_results_are_made_ahead() -> None:
    source = Numbers(100)
    results = map_in_order(lambda item: item, iter(source), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    time.sleep(0.05)
    assert source.given <= 3 + 2 + 1


def test_an_error_comes_where_the_result_would_have_come() -> None:
    results = map_in_order(lambda item: 1 // (3 - item), range(10), workers=2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_source_comes_after_the_results_before_it() -> None:
    results = map_in_order(lambda item: item, iter(Numbers(9, error_at=4)), workers=2)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="no number 4"):
        next(results)


@pytest.mark.parametrize("taken", [1, 5])
def test_a_consumer_that_stops_early_closes_the_source_and_leaves_no_thread(taken: int) -> None:
    before, source = threading.active_count(), Numbers(100)
    results = map_in_order(lambda item: item, iter(source), workers=3)
    for _ in range(taken):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert source.closed
    assert threading.active_count() == before
