"""RoBERTa's instances: full sentences packed up to S, unmasked for dynamic masking, or masked here."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from threadmill.datasets.fixed_records import FixedRecords
from threadmill.datasets.manifest import Field
from threadmill.pretraining.config import RobertaConfig
from threadmill.pretraining.full_sentences import COLUMNS, LENGTH, lay_out_full_sentences, plan_full_sentences
from threadmill.pretraining.masking import mask_tokens
from threadmill.pretraining.objectives import Encoded, Objective
from threadmill.pretraining.spool import Rows, keys_of
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.vocab.vocabulary import Vocabulary

_PLANNED = 1 << 15  # rows a block
_ENCODED = 1 << 9
_FILLED = 0.9  # of an instance, on the average: sentences stay whole


def roberta_schema(config: RobertaConfig) -> tuple[Field, ...]:
    """The features: unmasked ids, or with static masking masked ones and what stood there, as BERT's."""
    sequence, predictions = f"int64[{config.max_seq_length}]", f"int64[{config.max_predictions_per_seq}]"
    fields = (Field("input_ids", sequence), Field("input_mask", sequence))
    if not config.static_masking:
        return fields
    return (
        *fields,
        Field("masked_lm_positions", predictions),
        Field("masked_lm_ids", predictions),
        Field("masked_lm_weights", f"float32[{config.max_predictions_per_seq}]"),
    )


class RobertaObjective(Objective):
    """FULL-SENTENCES, or without ``across_documents`` DOC-SENTENCES, of a part of the corpora.

    The sums that it measures: ``instances``, ``tokens`` (special ones included), ``padding``, and with static masking
    ``masked``.
    """

    columns = COLUMNS
    config: RobertaConfig

    def __init__(self, config: RobertaConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self._specials = vocabulary.specials
        self._unmasked = np.array([self._specials.cls, self._specials.sep], np.int32)
        self._inside = vocabulary.continuations if config.do_whole_word_mask else np.zeros(len(vocabulary), np.bool_)
        self._layout = FixedRecords(self.schema())

    def schema(self) -> tuple[Field, ...]:
        """See `roberta_schema`."""
        return roberta_schema(self.config)

    def bytes_per_token(self) -> float:
        """Ids take 2 bytes, the mask 1, names and headers 60; with static masking a masked token takes 7."""
        size = 3 * self.config.max_seq_length + 60
        if self.config.static_masking:
            size += 7 * self.config.max_predictions_per_seq + 100
        return size / (_FILLED * self.config.max_seq_length)

    def plan(self, store: TokenStore, part: StoredPart, key: np.uint64) -> Iterator[Rows]:
        """Rows of `full_sentences`; sentences of one part are packed together."""
        ends = store.document_offsets[1 : part.stop + 1]
        first = int(store.document_offsets[part.first])
        place = np.array([part.first, first, 0], np.int64)
        count = _PLANNED
        while count == _PLANNED:
            rows = np.empty((_PLANNED, COLUMNS), np.int64)
            rest = (first, key, self.config.max_seq_length, self.config.across_documents, rows)
            count = plan_full_sentences(store.lengths, ends, place, *rest)
            yield rows[:count]

    def encode(self, store: TokenStore, rows: Rows) -> Iterator[Encoded]:
        """Lays out, masks if that is to be done here, and encodes the rows."""
        for start in range(0, len(rows), _ENCODED):
            yield self._encode(store, rows[start : start + _ENCODED])

    def _encode(self, store: TokenStore, rows: Rows) -> Encoded:
        values, specials, size = self._layout.empty(len(rows)), self._specials, self.config.max_seq_length
        lay_out_full_sentences(
            *(rows, store.ids, store.starts, store.lengths, store.document_offsets[1:]),
            *(specials.cls, specials.sep, specials.pad, size, self._columns("input_ids", "input_mask"), values),
        )
        tokens = int(rows[:, LENGTH].sum())
        measured = {"instances": len(rows), "tokens": tokens, "padding": size * len(rows) - tokens}
        if self.config.static_masking:
            measured["masked"] = self._mask(rows, values)
        return Encoded(self._layout.encode(values), keys_of(rows), measured)

    def _mask(self, rows: Rows, values: npt.NDArray[np.int32]) -> int:
        config = self.config
        return int(
            mask_tokens(
                *(keys_of(rows), np.ascontiguousarray(rows[:, LENGTH])),
                *(config.max_seq_length, config.max_predictions_per_seq),
                *(self._columns("input_ids", "masked_lm_positions", "masked_lm_ids", "masked_lm_weights"), config.masked_lm_prob),
                *(self._unmasked, self._specials.mask, self.vocabulary.ordinary_ids, self._inside, 1, values),
            )
        )

    def _columns(self, *names: str) -> npt.NDArray[np.int64]:
        return np.array([self._layout.starts[name] for name in names], np.int64)
