"""Causal language modelling: documents, or threads of turns, end to end in records of S tokens, each document a segment."""

from collections.abc import Iterator

import numpy as np

from threadmill.datasets.fixed_records import FixedRecords
from threadmill.datasets.manifest import Field
from threadmill.documents.sources import CONVERSATIONS_KIND
from threadmill.pretraining.config import CausalConfig
from threadmill.pretraining.objectives import Encoded, Objective
from threadmill.pretraining.spool import Rows, keys_of
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.pretraining.token_runs import COLUMNS, LENGTH, lay_out_runs, plan_runs
from threadmill.vocab.vocabulary import Vocabulary

_PLANNED = 1 << 15  # rows a block
_ENCODED = 1 << 9


def causal_schema(config: CausalConfig) -> tuple[Field, ...]:
    """The features; the labels are the next tokens of the same segment, and so are not written."""
    sequence = f"int64[{config.max_seq_length}]"
    return Field("input_ids", sequence), Field("input_mask", sequence), Field("segment_ids", sequence)


class CausalObjective(Objective):
    """Runs of the documents of a part, one after the other; a turn of a thread ends with a separator, as a document does.

    The sums that it measures: ``instances``, ``segments``, ``tokens`` (separators included) and ``padding``.
    """

    columns = COLUMNS
    config: CausalConfig

    def __init__(self, config: CausalConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self._specials = vocabulary.specials
        self._layout = FixedRecords(self.schema())
        self._starts = np.array([self._layout.starts[name] for name in ("input_ids", "input_mask", "segment_ids")], np.int64)

    def schema(self) -> tuple[Field, ...]:
        """See `causal_schema`."""
        return causal_schema(self.config)

    def bytes_per_token(self) -> float:
        """Ids take 2 bytes, masks and segments 1, names and headers 80."""
        return 4 + 80 / self.config.max_seq_length

    def plan(self, store: TokenStore, part: StoredPart, key: np.uint64) -> Iterator[Rows]:
        """Rows of `token_runs`. Where there are several passes, the first run of each is of a random length."""
        ends = store.document_offsets[1 : part.stop + 1]
        first = int(store.document_offsets[part.first])
        place = np.array([part.first, first, 0], np.int64)
        shift, separate = self.config.dupe_factor > 1, part.kind == CONVERSATIONS_KIND
        count = _PLANNED
        while count == _PLANNED:
            rows = np.empty((_PLANNED, COLUMNS), np.int64)
            count = plan_runs(store.lengths, ends, place, first, key, self.config.max_seq_length, shift, separate, rows)
            yield rows[:count]

    def encode(self, store: TokenStore, rows: Rows) -> Iterator[Encoded]:
        """Lays out and encodes the rows."""
        for start in range(0, len(rows), _ENCODED):
            yield self._encode(store, rows[start : start + _ENCODED])

    def _encode(self, store: TokenStore, rows: Rows) -> Encoded:
        values, size = self._layout.empty(len(rows)), self.config.max_seq_length
        segments = lay_out_runs(
            *(rows, store.ids, store.starts, store.lengths, store.document_offsets[1:]),
            *(self._specials.sep, self._specials.pad, size, self._starts, values),
        )
        tokens = int(rows[:, LENGTH].sum())
        measured = {"instances": len(rows), "segments": segments, "tokens": tokens, "padding": size * len(rows) - tokens}
        return Encoded(self._layout.encode(values), keys_of(rows), measured)
