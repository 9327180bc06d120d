"""How much a run reads: published months, what lies between them, files that are there."""

from pathlib import Path

import pytest

from threadmill.errors import ConfigError
from threadmill.pricing.lines import ASSUMED, MEASURED, PUBLISHED
from threadmill.pricing.volumes import (
    add,
    comments_of_files,
    comments_of_month,
    months_between,
    months_of_tables,
    text_bytes,
)


def test_a_published_month_is_taken_as_it_is() -> None:
    found = comments_of_month("2015-05")
    assert (found.amount, found.known) == (54_504_410, PUBLISHED)


def test_a_month_between_published_ones_lies_between_them_and_says_so() -> None:
    found = comments_of_month("2015-04")  # between 54,564,441 of March and 54,504,410 of May
    assert found.amount == pytest.approx((54_564_441 + 54_504_410) / 2)
    assert found.known == ASSUMED


def test_a_month_before_or_after_all_is_as_the_nearest() -> None:
    assert comments_of_month("2006-01").amount == comments_of_month("2008-06").amount
    assert comments_of_month("2006-01").known == ASSUMED
    assert comments_of_month("2031-01").known == ASSUMED


def test_the_years_of_the_reference_pipeline_add_up_to_what_it_published() -> None:
    total = sum(comments_of_month(month).amount for month in months_between("2015-01", "2018-12"))
    assert total == pytest.approx(3_680_746_776, rel=0.02)


def test_a_pattern_names_the_months_of_its_tables() -> None:
    assert months_of_tables("^2015_0[1-3]$") == ["2015-01", "2015-02", "2015-03"]
    assert len(months_of_tables("^201[5678]_[01][0-9]$")) == 48
    with pytest.raises(ConfigError, match="names no month"):
        months_of_tables("^1999_")
    with pytest.raises(ConfigError, match="no regular expression"):
        months_of_tables("(")


def test_dumps_that_are_there_tell_by_their_size(tmp_path: Path) -> None:
    plain, packed = tmp_path / "RC_2006-01", tmp_path / "RC_2006-02.bz2"
    plain.write_bytes(b"x" * 588_000)
    packed.write_bytes(b"x" * 101_200)
    found = comments_of_files([str(plain), str(packed)])
    assert found is not None
    assert found.amount == pytest.approx(1000 + 1000)
    assert found.known == MEASURED
    assert comments_of_files([str(plain), str(tmp_path / "none")]) is None
    assert comments_of_files(["https://localhost:1/RC_2006-01.zst"]) is None


def test_text_is_told_by_the_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    (tmp_path / "more" / "b.txt").write_bytes(b"x" * 500)
    found = text_bytes([str(tmp_path)])
    assert found is not None
    assert (found.amount, found.known) == (1500, MEASURED)


def test_what_is_added_up_is_known_as_the_least_sure_of_it() -> None:
    both = add([comments_of_month("2015-03"), comments_of_month("2015-04")])
    assert both.known == ASSUMED
    assert both.amount == comments_of_month("2015-03").amount + comments_of_month("2015-04").amount


def test_months_go_forward() -> None:
    assert months_between("2014-11", "2015-02") == ["2014-11", "2014-12", "2015-01", "2015-02"]
    with pytest.raises(ConfigError, match="go backwards"):
        months_between("2015-02", "2014-11")
