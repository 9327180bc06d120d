"""Near-duplicate deduplication: examples per CPU second, and how many near-duplicates it finds by their similarity.

`python -m benchmarks.deduplication [--comments N] [--runs N] [--conversations DIR]`: process start included, medians of the
runs, one worker.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measure import Cost, median_of, run
from threadmill.conversations.reading import read_examples
from threadmill.datasets.dataset import Dataset
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.minhash import band_keys
from threadmill.deduplication.shingles import shingles_of

_PAIRS = 20_000
_EDGES = (0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.95)


def main() -> None:
    """Prints a line a kind of deduplication, and one a range of similarity."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--conversations", help="a dataset to use instead of the sample world's")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        conversations = arguments.conversations or _sample(folder, arguments.comments)
        examples = Dataset.open(conversations).manifest.records
        print(f"{examples:,} examples{'':<20}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}{'examples/CPU s':>16}")
        for kind in ("exact", "near"):
            cost = median_of([_deduplicate(folder, conversations, kind) for _ in range(arguments.runs)])
            print(f"{kind:<34}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.peak_mb:>9.0f}{examples / cost.cpu:>16,.0f}", flush=True)
        _print_recall(conversations, DeduplicationConfig())


def _threadmill(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "threadmill.cli", *arguments]


def _sample(folder: str, comments: int) -> str:
    run(_threadmill("sample", "--comments", str(comments), "--output", folder))
    (dump,) = Path(folder).glob("RC_*.zst")
    run(_threadmill("reddit", str(dump), "--output", folder))
    return os.path.join(folder, "conversations")


def _deduplicate(folder: str, conversations: str, kind: str) -> Cost:
    signatures, output = os.path.join(folder, "signatures"), os.path.join(folder, "deduplicated")
    for made in (signatures, output):
        shutil.rmtree(made, ignore_errors=True)
    command = _threadmill("deduplicate", conversations, "--signatures", signatures, "--output", output, "--workers", "1")
    return run([*command, "--deduplication", kind])


def _print_recall(conversations: str, config: DeduplicationConfig) -> None:
    """Pairs of a text and the same with some words exchanged for others, by the Jaccard similarity of their shingles."""
    draw = random.Random(1)
    dataset = Dataset.open(conversations)
    texts = read_examples(dataset.path(dataset.manifest.shards[0]), ["context", "response"]).head(_PAIRS)
    words = " ".join(texts["response"].head(2000)).split(" ")
    changed = pl.Series([_changed(text, words, draw) for text in texts["context"]], dtype=pl.String)
    pairs = [shingles_of(contexts, texts["response"], config.ngram) for contexts in (texts["context"], changed)]
    found = (band_keys(pairs[0], config) == band_keys(pairs[1], config)).any(axis=1)
    sets = [[set(part.tolist()) for part in np.split(side.hashes, side.offsets[1:-1])] for side in pairs]
    by_range: dict[int, list[bool]] = defaultdict(list)
    for first, second, hit in zip(*sets, found.tolist(), strict=True):
        similarity = len(first & second) / len(first | second)
        by_range[int(np.searchsorted(_EDGES, similarity, side="right"))].append(hit)
    for place, hits in sorted(by_range.items()):
        upper = f"{_EDGES[place]:.2f}" if place < len(_EDGES) else "1"
        label = f"similarity {_EDGES[place - 1]:.2f} to {upper}"
        print(f"{label:<34}{len(hits):>8,} pairs, found {np.mean(hits):.1%}")


def _changed(text: str, words: Sequence[str], draw: random.Random) -> str:
    parts = text.split(" ")
    for _ in range(draw.choice([1, 1, 2, 3, 5, 10])):
        parts[draw.randrange(len(parts))] = draw.choice(words)
    return " ".join(parts)


if __name__ == "__main__":
    main()
