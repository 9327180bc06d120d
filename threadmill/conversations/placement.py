"""The place of a thread, from the MD5 of its id: its split, and its position in the one order of all threads.

The same as sql/threads.sql computes in the warehouse.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.conversations.config import SPLIT_RULES, SPLITS, ThreadsConfig
from threadmill.conversations.md5 import MAX_BYTES, hex_digits, md5_digests
from threadmill.datasets.arrow_text import large_strings, text_buffers
from threadmill.datasets.shards import MAX_SHARDS

POSITION_BITS = 44
_POSITION_DIGIT = 16
_SHARD_BYTES = 128 << 20


def place(threads: pl.Series, config: ThreadsConfig) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    """int8[n], the index in SPLITS of each thread's split, and int64[n], its position of 44 bits.

    Args:
        threads: thread ids, none null and none longer than 55 bytes (dumps have 13 at most).
    """
    data, offsets = text_buffers(large_strings(threads))
    if len(threads) and int(np.diff(offsets).max()) > MAX_BYTES:
        raise ValueError(f"a thread id is longer than {MAX_BYTES} bytes")
    digests = md5_digests(data, offsets)
    rule = SPLIT_RULES[config.split_rule]
    split_position = hex_digits(digests, rule.first_digit, rule.digits)
    edges = split_edges(config)
    split = (split_position >= edges["train_edge"]).astype(np.int8) + (split_position >= edges["validation_edge"])
    return split, hex_digits(digests, _POSITION_DIGIT, POSITION_BITS // 4)


def split_edges(config: ThreadsConfig) -> dict[str, int]:
    """The numbers of the split rule below which a thread is train, and below which it is train or validation."""
    rule, train = SPLIT_RULES[config.split_rule], config.fraction("train")
    edges = rule.edge(train), rule.edge(train + config.fraction("validation"))
    return {"train_edge": edges[0], "validation_edge": max(edges)}


def shard_counts(config: ThreadsConfig, body_bytes: int) -> dict[str, int]:
    """Shards of each split, for comments with ``body_bytes`` of text in all."""
    return {split: _shards_of(split, config, body_bytes) for split in SPLITS}


def _shards_of(split: str, config: ThreadsConfig, body_bytes: int) -> int:
    # The reference's edges send some threads to test whatever test_split says.
    used = config.fraction(split) > 0 or (split == "test" and config.split_rule == "polyai")
    if not used:
        return 0
    automatic = int(-(-body_bytes * config.fraction(split) // _SHARD_BYTES))
    return config.num_shards(split) or min(MAX_SHARDS, max(1, automatic))
