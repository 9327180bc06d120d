"""The tokens of a split for a portion's rows that may have any of them: its own mapped, the others' read when they are needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.digest import json_digest
from threadmill.datasets.shards import ShardName
from threadmill.pretraining.objectives import Encoded, Objective
from threadmill.pretraining.outline import StoredPortion, open_outline
from threadmill.pretraining.spans import LENGTH, SENTENCE, collect_tokens, lay_end_to_end
from threadmill.pretraining.spool import Rows, RowSpool
from threadmill.pretraining.store import Integers, StoredPart, TokenStore, open_store
from threadmill.pretraining.token_files import TokenFile

# What is held for the rows between two passes over the split's tokens; of a span, the pieces of its sentences while they are
# sorted.
_HELD_BYTES = 1 << 30
_BYTES_A_SPAN = 300

_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class SplitTokens:
    """The tokens of all portions of a split.

    Attributes:
        store: the split's outline, by which rows are planned.
        parts: of the own portion, by the numbers of the split's documents.
        funnel: of the own portion's tokenisation.
    """

    store: TokenStore
    parts: tuple[StoredPart, ...]
    funnel: Counters
    _files: tuple[TokenFile, ...]
    _own: TokenStore
    _first: int  # sentence of the own portion

    @classmethod
    @contextmanager
    def open(cls, uri: str, portion: ShardName, folder: Path) -> "Iterator[SplitTokens]":
        """Fetches the outline, unless this machine has it, and the portion's own tokens, into ``folder``.

        Args:
            uri: of the dataset of `TokensStage`.

        Raises:
            InputError: this machine has no room for the outline.
            IntegrityError: a file is damaged.
        """
        dataset = Dataset.open(uri)
        found = dict(zip([entry.name for entry in dataset.manifest.shards], dataset.manifest.statistics["portions"], strict=True))
        names = [entry.name for entry in dataset.shards(portion.split)]
        portions = [
            StoredPortion(TokenFile.open(dataset.path(entry)), tuple(StoredPart(*part) for part in found[entry.name]["parts"]))
            for entry in dataset.shards(portion.split)
        ]
        own = portions[portion.index]
        own.file.save(folder)
        tokens = open_store(folder, own.file.id_type, own.parts)
        first = sum(before.file.sentences for before in portions[: portion.index])
        passed = sum(len(before.parts) for before in portions[: portion.index])
        funnel = Counters.from_json(found[str(names[portion.index])]["funnel"])
        key = json_digest([dataset.manifest.digest, portion.split])
        with open_outline(key, uri, portions) as outline:
            parts = outline.parts[passed : passed + len(own.parts)]
            yield cls(outline, parts, funnel, tuple(each.file for each in portions), tokens, first)

    def encoded(self, objective: Objective, spool: RowSpool) -> Iterator[Iterator[Encoded]]:
        """The records of each bucket. Reads all of the split's tokens once for each gigabyte of what it collects."""
        for batch in self._batches(objective, spool):
            collected = collect_tokens(self._files, self.store.lengths, np.concatenate([spans for _, spans in batch]))
            for rows, spans in batch:
                size = int(spans[:, LENGTH].sum())
                yield objective.encode(self._laid_out(objective.spans(rows), collected[:size]), objective.moved(rows))
                collected = collected[size:]

    def _batches(self, objective: Objective, spool: RowSpool) -> Iterator[list[tuple[Rows, Integers]]]:
        """The rows of some buckets at a time, with the spans of theirs that are of other portions."""
        batch, held = list[tuple[Rows, Integers]](), 0
        for bucket in range(spool.buckets):
            rows = spool.read(bucket)
            spans = objective.spans(rows)
            spans = spans[(spans[:, SENTENCE] < self._first) | (spans[:, SENTENCE] >= self._stop)]
            self.store.has_read(len(rows))
            batch.append((rows, spans))
            held += rows.nbytes + _BYTES_A_SPAN * len(spans) + self._own.ids.itemsize * int(spans[:, LENGTH].sum())
            if held > _HELD_BYTES:
                yield batch
                batch, held = [], 0
        if batch:
            yield batch

    @property
    def _stop(self) -> int:
        return self._first + len(self._own.lengths)

    def _laid_out(self, spans: Integers, collected: "np.ndarray[tuple[int], np.dtype[np.uint16 | np.int32]]") -> TokenStore:
        """A store whose sentences are the spans; ``collected`` has the tokens of those of other portions."""
        sizes = np.ascontiguousarray(spans[:, LENGTH])
        ids = np.empty(int(sizes.sum()), self._own.ids.dtype)
        own = self._own
        lay_end_to_end(spans, self._first, self._stop, own.ids, own.starts, own.lengths, collected, ids)
        own.has_read(len(spans))
        starts = np.cumsum(sizes) - sizes
        return TokenStore(ids, starts, sizes.astype(np.int32), _NOTHING, _NOTHING, _NOTHING, (), is_contiguous=True)
