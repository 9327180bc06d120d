from datetime import UTC, datetime

import numpy as np
import pytest

from threadmill.corpora.sample.months import FIRST, MONTH_IDS, Month
from threadmill.errors import ConfigError


@pytest.mark.parametrize("name", [FIRST, "2006-01", "2016-02", "2025-12", "9999-12"])
def test_name_comes_back(name: str) -> None:
    assert Month.parse(name).name == name


def test_months_follow_each_other_over_the_year() -> None:
    assert [Month.parse("2007-11").later(n).name for n in range(4)] == ["2007-11", "2007-12", "2008-01", "2008-02"]
    assert Month.parse(FIRST).later(-1).name == "2005-11"


@pytest.mark.parametrize("text", ["", "2006", "2006-00", "2006-1", "2006-01-01", "January", "2005-11", "２００６-01"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="give one as YYYY-MM"):
        Month.parse(text)


@pytest.mark.parametrize("comments", [1, 7, 10_000, 50_000_000])
def test_ids_are_unique_and_stay_within_their_month(comments: int) -> None:
    month = Month.parse("2010-06")
    places = np.unique(np.linspace(0, comments - 1, 2000).astype(np.int64))
    ids = month.ids(places, comments, 7)
    assert (np.diff(ids) > 0).all()
    assert ids[-1] < month.later(1).ids(places[:1], comments, 7)[0]
    assert ids[-1] - ids[0] < MONTH_IDS


@pytest.mark.parametrize("name", ["2006-01", "2008-02", "2015-04"])
def test_times_fill_the_month_in_order(name: str) -> None:
    month = Month.parse(name)
    seconds = month.seconds(np.arange(20_000, dtype=np.int64), 20_000, 7)
    assert (np.diff(seconds) >= 0).all()
    start, end = (datetime.strptime(m.name, "%Y-%m").replace(tzinfo=UTC).timestamp() for m in (month, month.later(1)))
    assert start <= seconds[0] < start + 3600
    assert end - 3600 < seconds[-1] < end
