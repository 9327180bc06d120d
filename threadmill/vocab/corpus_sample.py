"""A random sample of the lines of corpora."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from threadmill.datasets.counters import Counters
from threadmill.documents.reading import read_part
from threadmill.documents.sources import CONVERSATIONS_KIND, Corpora, Part
from threadmill.engine.progress import Progress
from threadmill.vocab.line_keys import Keys, document_keys, seed_key, thread_keys
from threadmill.vocab.sampling import BottomSample, Sample


def draw_sample(corpora: Corpora, split: str, size: int, seed: int, counters: Counters | None = None) -> Sample:
    """At most ``size`` lines of a split, or of all where ``split`` is "", read in one pass.

    Args:
        counters: counts the lines read, and drops those of a thread that were there before and those that were not drawn.
    """
    counters = Counters() if counters is None else counters
    sample, key = BottomSample(size), seed_key(seed)
    parts = [part for part in corpora.parts if split in ("", part.split)]
    with Progress(f"{split} sample".strip(), "lines", len(parts)) as progress:
        for part in parts:
            before = counters.read
            for keys, lines in _keyed_lines(part, key, counters):
                sample.add(keys, lines)
            progress.advance(counters.read - before)
    drawn = sample.draw()
    counters.drop("not_sampled", counters.read - sum(counters.dropped.values()) - len(drawn))
    return drawn


def _keyed_lines(part: Part, key: np.uint64, counters: Counters) -> Iterator[tuple[Keys, pa.Array]]:
    state = key
    for block in read_part(part):
        counters.read += len(block.sentences)
        if part.kind == CONVERSATIONS_KIND:
            keys, places = thread_keys(block, key)
            counters.drop("repeated_in_thread", len(block.sentences) - len(keys))
            yield keys, block.lines.take(pa.array(places))
        else:
            keys, state = document_keys(block, key, state)
            yield keys, block.lines
