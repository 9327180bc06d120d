import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.datasets.counters import Counters
from threadmill.errors import IntegrityError

COUNTS = st.integers(0, 10**12)
REASONS = st.dictionaries(st.sampled_from(["too_short", "tombstone", "orphan"]), st.integers(1, 10**9))


@st.composite
def funnels(draw: st.DrawFn) -> Counters:
    kept, dropped = draw(COUNTS), draw(REASONS)
    extra = draw(st.dictionaries(st.sampled_from(["examples", "tokens"]), COUNTS))
    return Counters(kept + sum(dropped.values()), kept, draw(COUNTS), dropped, extra)


@given(funnels())
def test_a_funnel_survives_json(counters: Counters) -> None:
    assert Counters.from_json(counters.to_json()) == counters


@given(funnels(), funnels())
def test_funnels_that_add_up_add_up_together(first: Counters, second: Counters) -> None:
    total = Counters()
    total.merge(first)
    total.merge(second)
    total.check("both")
    assert total.read == first.read + second.read
    assert total.written == first.written + second.written
    assert total.dropped == {
        reason: first.dropped.get(reason, 0) + second.dropped.get(reason, 0) for reason in {*first.dropped, *second.dropped}
    }


def test_merging_leaves_the_other_as_it_was() -> None:
    total, part = Counters(), Counters(3, 1, 1, {"orphan": 2}, {"examples": 1})
    total.merge(part)
    total.merge(part)
    assert part == Counters(3, 1, 1, {"orphan": 2}, {"examples": 1})


def test_nothing_dropped_leaves_no_reason() -> None:
    counters = Counters()
    counters.drop("orphan", 0)
    assert counters.dropped == {}


def test_the_json_has_the_funnel_first_and_reasons_sorted() -> None:
    counters = Counters(4, 1, 1, {"b": 1, "a": 2}, {"z": 9})
    assert list(counters.to_json().items()) == [
        ("read", 4),
        ("kept", 1),
        ("dropped", {"a": 2, "b": 1}),
        ("written", 1),
        ("z", 9),
    ]


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_counts_that_do_not_add_up_are_told(kept: int) -> None:
    counters = Counters(read=4, kept=kept, dropped={"orphan": 3})
    with pytest.raises(IntegrityError, match=f"threads: read 4 but kept {kept} \\+ dropped 3 = {kept + 3}"):
        counters.check("threads")
