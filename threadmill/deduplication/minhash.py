# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
"""Keys of examples for locality-sensitive hashing: near-duplicates share one with high probability.

MinHash (Broder 1997) by rensa, cut into bands (Indyk and Motwani 1998; Leskovec et al., Mining of Massive Datasets,
chapter 3), as FineWeb's deduplication has it (datatrove, minhash.py).
"""

from itertools import starmap
from struct import Struct

import numpy as np
import numpy.typing as npt
from numba import njit

from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.shingles import Keys, Shingles, mixed

_ROWS = 256  # a matrix of rensa gives its rows as lists of int, which is fast while they are few: struct packs them soonest


def algorithm() -> str:
    """What the signatures depend on besides the settings: rensa's R-MinHash in its version."""
    from rensa import RMinHash  # type: ignore[import-untyped]

    return f"R-MinHash {RMinHash.ALGORITHM_VERSION}"


def band_keys(shingles: Shingles, config: DeduplicationConfig) -> Keys:
    """int64[n, num_bands]: a hash of each band of each example's signature, and of the band's number."""
    from rensa import RMinHash  # type: ignore[import-untyped]

    count, width = len(shingles.exact), config.num_bands * config.band_rows
    keys = np.empty((count, config.num_bands), np.int64)
    row = Struct(f"{width}I")
    for start in range(0, count, _ROWS):
        bounds = shingles.offsets[start : start + _ROWS + 1]
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            shingles.hashes[bounds[0] : bounds[-1]], (bounds - bounds[0]).astype(np.uint64), width, config.minhash_seed
        )
        rows = np.frombuffer(b"".join(starmap(row.pack, matrix.to_rows())), np.uint32).reshape(-1, width)
        _hash_bands(rows, config.band_rows, keys[start : start + _ROWS])
    return keys


@njit(nogil=True, cache=True)
def _hash_bands(signatures: npt.NDArray[np.uint32], band_rows: int, keys: Keys) -> None:
    for row in range(len(keys)):
        for band in range(keys.shape[1]):
            value = mixed(np.uint64(band + 1))
            for place in range(band * band_rows, (band + 1) * band_rows):
                value = mixed(value ^ np.uint64(signatures[row, place]))
            keys[row, band] = np.int64(value)
