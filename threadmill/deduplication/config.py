"""Settings of deduplication."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting

MODES = ("none", "exact", "near")


@dataclass(frozen=True)
class DeduplicationConfig:
    """Which examples count as duplicates.

    Near-duplicates share all rows of a band of their MinHash signatures: at a Jaccard similarity s of their shingles, with
    probability 1 - (1 - s**band_rows)**num_bands. The bands are FineWeb's (Penedo et al. 2024); its shingles of five
    words would be few in a dialogue's turns, so these are of five characters. Of pairs of texts of which one has some words
    exchanged, with a similarity of 0.4 to 0.6, 8 % are found; 0.6 to 0.75, 48 %; 0.75 to 0.85, 92 %; 0.85 to 0.95, 99.9 %
    (benchmarks/deduplication.py).
    """

    deduplication: str = setting("near", "Examples that go: copies (exact), near copies too (near), or none", choices=MODES)
    num_bands: int = setting(14, "Bands of a MinHash signature; more find less similar examples", minimum=1, maximum=256)
    band_rows: int = setting(
        8, "MinHashes a band, which must all be equal; more ask for greater similarity", minimum=1, maximum=64
    )
    ngram: int = setting(5, "Characters a shingle", minimum=1, maximum=64)
    minhash_seed: int = setting(1, "Another seed, other hash functions", minimum=0, maximum=2**32 - 1)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def near(self) -> bool:
        """True where near copies go too."""
        return self.deduplication == "near"
