from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from threadmill.conversations.placement import POSITION_BITS
from threadmill.fusion.spool import Spool

SCHEMA = {"place": pl.Int64, "id": pl.String, "body": pl.String, "created_utc": pl.Datetime("us", "UTC")}
POSITIONS = 1 << POSITION_BITS
Row = tuple[int, str, str | None, datetime]

places = st.builds(lambda split, position: split * POSITIONS + position, st.integers(0, 2), st.integers(0, POSITIONS - 1))
rows = st.tuples(
    places | st.sampled_from([0, 5, POSITIONS - 1, POSITIONS, 3 * POSITIONS - 1]),
    st.text("0az", min_size=1, max_size=4),
    st.sampled_from(["a body", "é 😀", "", None]),
    st.integers(0, 3).map(lambda second: datetime(2006, 1, 1, second=second, tzinfo=UTC)),
)
some_rows = st.lists(rows, min_size=1, max_size=40)


def blocks_of(rows: Sequence[Row], size: int) -> list[pl.DataFrame]:
    """The rows in blocks, of which one is empty."""
    blocks = [pl.DataFrame(rows[at : at + size], SCHEMA, orient="row") for at in range(0, len(rows), size)]
    return [*blocks[:1], pl.DataFrame(schema=SCHEMA), *blocks[1:]]


@settings(max_examples=50)
@given(some_rows, st.integers(1, 10), st.integers(1, 50))
def test_all_comments_come_back_by_the_positions_of_their_threads(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], block_rows: int, held_rows: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "spool"
    folder.mkdir(exist_ok=True)
    with Spool(str(folder), held_rows) as spool:
        for block in blocks_of(rows, block_rows):
            spool.add(block)
        frames = list(spool.partitions())
    assert not list(folder.iterdir())
    assert_frame_equal(pl.concat(frames), pl.DataFrame(rows, SCHEMA, orient="row"), check_row_order=False)
    for before, after in pairwise(frames):
        assert max(before["place"] % POSITIONS) < min(after["place"] % POSITIONS)


MANY = [(number * (POSITIONS // 500), f"c{number}", "a body", datetime(2006, 1, 1, tzinfo=UTC)) for number in range(500)]


def test_no_more_are_held_than_was_said(tmp_path: Path) -> None:
    with Spool(str(tmp_path), held_rows=501) as spool:
        spool.add(pl.DataFrame(MANY, SCHEMA, orient="row"))
        assert not list(tmp_path.iterdir())
        spool.add(pl.DataFrame(MANY[:1], SCHEMA, orient="row"))
        (folder,) = tmp_path.iterdir()
        assert folder.name.startswith("."), "no reader takes it for a part of the dataset"
        assert len(list(folder.iterdir())) > 100
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("read", [None, 0, 1, 3], ids=lambda read: f"partitions read: {read}")
def test_what_was_spilled_is_removed_after_an_error(tmp_path: Path, read: int | None) -> None:
    def use() -> None:
        with Spool(str(tmp_path), held_rows=100) as spool:
            for block in blocks_of(MANY, 70):
                spool.add(block)
            if read is not None:
                partitions = spool.partitions()
                for _ in range(read):
                    next(partitions)
            assert list(tmp_path.iterdir())
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        use()
    assert not list(tmp_path.iterdir())
