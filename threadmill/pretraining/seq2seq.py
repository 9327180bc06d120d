"""Sequence-to-sequence pairs: the turns before a response and the response, or text and how it goes on; packed into records."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from threadmill.datasets.fixed_records import FixedRecords
from threadmill.datasets.manifest import Field
from threadmill.documents.sources import CONVERSATIONS_KIND
from threadmill.pretraining.config import Seq2SeqConfig
from threadmill.pretraining.context_response import (
    COLUMNS,
    CONTEXT_CUT,
    CONTEXT_LENGTH,
    RECORD,
    RESPONSE_CUT,
    RESPONSE_LENGTH,
    lay_out_pairs,
    plan_text_pairs,
    plan_turn_pairs,
    record_bounds,
    set_keys,
    whole_records,
)
from threadmill.pretraining.objectives import Encoded, Objective
from threadmill.pretraining.packing import pack
from threadmill.pretraining.spool import Rows, keys_of
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.randomness import stream_key
from threadmill.vocab.vocabulary import Vocabulary

_PLANNED = 1 << 11  # pairs that are packed with one another
_ENCODED = 1 << 9  # records a block
_FILLED = 0.85
_FEATURES = ("encoder_input_ids", "encoder_segment_ids", "decoder_input_ids", "decoder_labels", "decoder_segment_ids")


def seq2seq_schema(config: Seq2SeqConfig) -> tuple[Field, ...]:
    """The features; segment ids are the number of the pair in the record, from 1, and 0 for padding."""
    lengths = [config.max_seq_length] * 2 + [config.max_target_length] * 3
    return tuple(Field(name, f"int64[{length}]") for name, length in zip(_FEATURES, lengths, strict=True))


class Seq2SeqObjective(Objective):
    """Pairs of a context and a response, several to a record.

    The sums that it measures: ``instances`` (records), ``pairs``, ``truncated_contexts``, ``truncated_responses``,
    ``tokens`` (of both sides, separators and the responses' end included) and ``padding``.
    """

    columns = COLUMNS
    config: Seq2SeqConfig

    def __init__(self, config: Seq2SeqConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self._specials = vocabulary.specials
        self._layout = FixedRecords(self.schema())
        self._starts = np.array([self._layout.starts[name] for name in _FEATURES], np.int64)
        self._sizes = np.array([config.max_seq_length, config.max_target_length], np.int64)

    def schema(self) -> tuple[Field, ...]:
        """See `seq2seq_schema`."""
        return seq2seq_schema(self.config)

    def bytes_per_token(self) -> float:
        """A token takes 2 bytes and its segment 1, a response's is written twice, names and headers take 140.

        The tokens of conversations are written about once, those of text in a context and a response: this is the geometric
        mean of both.
        """
        context, response = self.config.max_seq_length, self.config.max_target_length
        size = (3 * context + 5 * response + 140) / (_FILLED * (context + response))
        return size * math.sqrt((context + response) / response)

    def dropped(self, store: TokenStore, part: StoredPart) -> Mapping[str, int]:
        """``one_turn`` and ``one_sentence``: an example or a document of text with nothing before or after."""
        reason = "one_turn" if part.kind == CONVERSATIONS_KIND else "one_sentence"
        return {reason: int((store.sentences_of(part) == 1).sum())}

    def plan(self, store: TokenStore, part: StoredPart, key: np.uint64) -> Iterator[Rows]:
        """Rows of `context_response`, a few thousand pairs packed with one another."""
        plan_pairs = plan_turn_pairs if part.kind == CONVERSATIONS_KIND else plan_text_pairs
        ends = store.document_offsets[1 : part.stop + 1]
        place = np.array([part.first, store.document_offsets[part.first]], np.int64)
        context, response = self.config.max_seq_length, self.config.max_target_length - 1
        count, records = _PLANNED, 0
        while count == _PLANNED:
            rows = np.empty((_PLANNED, COLUMNS), np.int64)
            count = plan_pairs(store.lengths, ends, place, context, response, rows)
            rows = rows[:count]
            if count:
                records += self._pack(rows, key, records)
                yield rows

    def _pack(self, rows: Rows, key: np.uint64, first: int) -> int:
        """Sets the records of pairs, from number ``first`` on, and the keys; returns how many records they are."""
        config = self.config
        if config.packing:
            rooms = config.max_seq_length, config.max_target_length
            order = stream_key(int(key), first)
            records = pack(rows[:, CONTEXT_LENGTH], rows[:, RESPONSE_LENGTH] + 1, rooms, config.length_buckets, order)
        else:
            records = np.arange(len(rows))
        rows[:, RECORD] = first + records
        count = int(records.max()) + 1
        set_keys(rows, key, first, count)
        return count

    def encode(self, store: TokenStore, rows: Rows) -> Iterator[Encoded]:
        """Lays out and encodes the rows, record by record."""
        rows = whole_records(rows)
        starts = record_bounds(rows)
        for first in range(0, len(starts) - 1, _ENCODED):
            bounds = starts[first : first + _ENCODED + 1]
            yield self._encode(store, rows[bounds[0] : bounds[-1]], bounds - bounds[0])

    def _encode(self, store: TokenStore, rows: Rows, starts: npt.NDArray[np.int64]) -> Encoded:
        count = len(starts) - 1
        values = self._layout.empty(count)
        records = np.repeat(np.arange(count), np.diff(starts))
        specials = self._specials
        lay_out_pairs(
            *(rows, records, store.ids, store.starts, store.lengths, specials.cls, specials.sep, specials.pad),
            *(self._sizes, self._starts, values),
        )
        tokens = int(rows[:, CONTEXT_LENGTH].sum() + rows[:, RESPONSE_LENGTH].sum()) + len(rows)
        measured = {
            "instances": count,
            "pairs": len(rows),
            "truncated_contexts": int(rows[:, CONTEXT_CUT].sum()),
            "truncated_responses": int(rows[:, RESPONSE_CUT].sum()),
            "tokens": tokens,
            "padding": count * int(self._sizes.sum()) - tokens,
        }
        return Encoded(self._layout.encode(values), keys_of(rows[starts[:-1]]), measured)
