import numpy as np
import pytest

from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.minhash import algorithm, band_keys
from threadmill.deduplication.shingles import Shingles

PAIRS, SIZE = 1500, 120


def sets_of(rows: "list[np.ndarray[tuple[int], np.dtype[np.uint64]]]") -> Shingles:
    offsets = np.cumsum([0, *map(len, rows)])
    return Shingles(np.concatenate(rows), offsets, np.zeros(len(rows), np.int64))


def pairs_of(similarity: float) -> tuple[Shingles, Shingles]:
    """Pairs of sets of which each has the Jaccard similarity."""
    draw = np.random.default_rng(3)
    common = round(2 * SIZE * similarity / (1 + similarity))
    sides: list[list[np.ndarray[tuple[int], np.dtype[np.uint64]]]] = [[], []]
    for _ in range(PAIRS):
        shared = draw.integers(2**63, size=common, dtype=np.uint64)
        for side in sides:
            own = draw.integers(2**63, size=SIZE - common, dtype=np.uint64)
            side.append(draw.permutation(np.concatenate([shared, own])))
    return sets_of(sides[0]), sets_of(sides[1])


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("config", [DeduplicationConfig(), DeduplicationConfig(num_bands=9, band_rows=7, minhash_seed=8)])
def test_pairs_share_a_band_as_often_as_their_similarity_says(similarity: float, config: DeduplicationConfig) -> None:
    first, second = pairs_of(similarity)
    shared = (band_keys(first, config) == band_keys(second, config)).any(axis=1).mean()
    wanted = 1 - (1 - similarity**config.band_rows) ** config.num_bands
    assert shared == pytest.approx(wanted, abs=5 * np.sqrt(wanted * (1 - wanted) / PAIRS) + 0.02)


def test_neither_order_nor_repetition_matters_nor_what_else_is_in_the_batch() -> None:
    shingles = np.arange(50, dtype=np.uint64) * np.uint64(2**57 + 1)
    config = DeduplicationConfig()
    others = [np.arange(9 * index, 9 * index + 9, dtype=np.uint64) for index in range(100, 700)]
    keys = band_keys(sets_of([shingles, *others, np.concatenate([shingles[::-1], shingles[:7]])]), config)
    assert keys.shape == (602, 14)
    assert (keys[0] == keys[-1]).all()
    assert len(np.unique(keys[:-1])) == 601 * 14  # no two bands have a key in common


def test_another_seed_gives_other_keys() -> None:
    shingles = sets_of([np.arange(9, dtype=np.uint64)])
    keys = [band_keys(shingles, DeduplicationConfig(minhash_seed=seed)) for seed in (0, 1)]
    assert not np.isin(keys[0], keys[1]).any()


def test_the_algorithm_is_named_with_its_version() -> None:
    assert algorithm() == "R-MinHash 2"
