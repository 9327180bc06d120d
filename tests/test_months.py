import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.errors import ConfigError
from threadmill.months import add_months, check_month, is_month, month_range

MONTHS = st.dates().map(lambda day: day.strftime("%Y-%m").rjust(7, "0"))


@pytest.mark.parametrize(
    ("month", "count", "expected"),
    [
        ("2006-01", 0, "2006-01"),
        ("2006-01", 1, "2006-02"),
        ("2006-12", 1, "2007-01"),
        ("2006-01", -1, "2005-12"),
        ("2006-03", -15, "2004-12"),
        ("2006-01", 120, "2016-01"),
    ],
)
def test_months_are_counted_over_the_year_s_end(month: str, count: int, expected: str) -> None:
    assert add_months(month, count) == expected


@given(MONTHS, st.integers(-300, 300))
def test_there_and_back_is_the_same_month(month: str, count: int) -> None:
    try:
        there = add_months(month, count)
    except ConfigError:  # beyond the years that YYYY can write
        assert not 1 <= int(month[:4]) + count / 12 <= 9999 - 1
    else:
        assert add_months(there, -count) == month


@pytest.mark.parametrize("month", ["2006-1", "2006-13", "2006-00", "06-01", "2006/01", "", "2006-01\n", " 2006-01", "٢٠٠٦-01"])
def test_anything_else_is_told_with_the_form(month: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_month(month)
    assert str(raised.value) == f"month is {month!r}; write it as YYYY-MM, such as 2006-01"


@pytest.mark.parametrize(("month", "count"), [("9999-12", 1), ("0000-01", -1)])
def test_a_month_that_cannot_be_written_is_no_result(month: str, count: int) -> None:
    with pytest.raises(ConfigError, match="write it as YYYY-MM"):
        add_months(month, count)


@pytest.mark.parametrize(
    ("months", "told"),
    [({"2006-01", "2005-11", "2005-12"}, "2005-11 to 2006-01"), ({"2005-12"}, "2005-12"), (set(), "nothing")],
)
def test_a_range_of_months_is_told_by_its_ends(months: set[str], told: str) -> None:
    assert month_range(months) == told


@pytest.mark.parametrize(
    ("text", "wanted"), [("2006-01", True), ("2006-13", False), ("vocabularies", False), ("2006-01-02", False)]
)
def test_what_a_month_is(text: str, wanted: bool) -> None:
    assert is_month(text) is wanted
