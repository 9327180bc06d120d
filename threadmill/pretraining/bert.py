"""BERT's masked LM and next-sentence instances: Google's features, in pairs of sentences or single runs."""

import logging
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from threadmill.datasets.fixed_records import FixedRecords
from threadmill.datasets.manifest import Field
from threadmill.documents.sources import CONVERSATIONS_KIND
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.feature_names import V2_NAMES
from threadmill.pretraining.masking import mask_tokens
from threadmill.pretraining.objectives import Encoded, Objective
from threadmill.pretraining.sentence_pairs import (
    A_SENTENCE,
    A_SKIP,
    B_LENGTH,
    B_SENTENCE,
    B_SKIP,
    COLUMNS,
    IS_RANDOM,
    STATE,
    lay_out,
    plan_pairs,
    plan_runs,
)
from threadmill.pretraining.spool import Rows, keys_of
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.vocab.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_PLANNED = 1 << 16  # rows a block: 4 MB
_ENCODED = 1 << 9  # rows a block: about 1 MB of numbers and .5 MB of records at S = 128, which a core's cache holds
_FILLED = 0.75  # of an instance, on the average: documents end, and a tenth of them aim at less


def bert_schema(config: BertConfig) -> tuple[Field, ...]:
    """The features of create_pretraining_data, or of the Model Garden's, with their types."""
    sequence, predictions = f"int64[{config.max_seq_length}]", f"int64[{config.max_predictions_per_seq}]"
    fields = [
        Field(_named("input_ids", config), sequence),
        Field("input_mask", sequence),
        Field(_named("segment_ids", config), sequence),
        Field("masked_lm_positions", predictions),
        Field("masked_lm_ids", predictions),
        Field("masked_lm_weights", f"float32[{config.max_predictions_per_seq}]"),
    ]
    return (*fields, Field("next_sentence_labels", "int64[1]")) if config.next_sentence else tuple(fields)


def _named(name: str, config: BertConfig) -> str:
    return V2_NAMES.get(name, name) if config.feature_names == "v2" else name


class BertObjective(Objective):
    """Pairs of sentences as google-research/bert makes them, or with ``next_sentence`` off runs of a document; masked.

    The sums that it measures: ``instances``, ``random_next`` (pairs only), ``tokens`` and ``masked``.

    Raises:
        InputError: the vocabulary has no special tokens, or nothing but them.
    """

    columns = COLUMNS
    config: BertConfig

    def __init__(self, config: BertConfig, vocabulary: Vocabulary) -> None:
        super().__init__(config, vocabulary)
        self._specials = vocabulary.specials
        self._ordinary = vocabulary.ordinary_ids
        self._inside = vocabulary.continuations if config.do_whole_word_mask else np.zeros(len(vocabulary), np.bool_)
        self._layout = FixedRecords(self.schema())

    def schema(self) -> tuple[Field, ...]:
        """See `bert_schema`."""
        return bert_schema(self.config)

    def bytes_per_token(self) -> float:
        """Ids take 2 bytes, masks and segments 1, names and headers 200; a masked token takes 7."""
        size = 4 * self.config.max_seq_length + 7 * self.config.max_predictions_per_seq + 200
        return size / (_FILLED * self.config.max_seq_length)

    def dropped(self, store: TokenStore, part: StoredPart) -> Mapping[str, int]:
        """``one_turn``: of a conversation example with one turn no pair can be made; ``no_partner``: nor of a lone token."""
        if not self.config.next_sentence:
            return {}
        singles = np.flatnonzero(store.sentences_of(part) == 1) + part.first
        if part.kind == CONVERSATIONS_KIND:
            return {"one_turn": len(singles)}
        if not _is_alone(store):
            return {}
        tokens = store.lengths[store.document_offsets[singles]]
        return {"no_partner": int((tokens == 1).sum())}

    def counts(self, store: TokenStore, part: StoredPart) -> Mapping[str, int]:
        """``single_sentence_documents``: those whose only sentence is cut in two to make a pair."""
        if not self.config.next_sentence or part.kind == CONVERSATIONS_KIND:
            return {}
        return {"single_sentence_documents": int((store.sentences_of(part) == 1).sum())}

    def warn(self, groups: int, split: str) -> None:
        """Warns where there is no other document that a random sentence could come from."""
        if self.config.next_sentence and groups == 1:
            log.warning(
                "records: the %s split is a single document or thread, so that no next sentence is random; "
                "put blank lines between its documents, or set --no-next-sentence",
                split,
            )

    def plan(self, store: TokenStore, part: StoredPart, key: np.uint64) -> Iterator[Rows]:
        """Rows of `sentence_pairs`."""
        config = self.config
        documents = np.array([part.first, part.stop], np.int64)
        state, stream = np.zeros(STATE, np.int64), np.zeros(1, np.uint64)
        state[:2] = part.first, -1
        fewest = 2 if config.next_sentence and part.kind == CONVERSATIONS_KIND else 1
        count = _PLANNED
        while count == _PLANNED:
            rows = np.empty((_PLANNED, COLUMNS), np.int64)
            rest = (documents, fewest, key, self._most, config.short_seq_prob, state, stream, rows)
            if config.next_sentence:
                count = plan_pairs(store.lengths, store.document_offsets, store.groups, store.group_offsets, *rest)
            else:
                count = plan_runs(store.lengths, store.document_offsets, *rest)
            yield rows[:count]

    @property
    def reads_other_parts(self) -> bool:
        """True of pairs: a random sentence is of any document of another group."""
        return self.config.next_sentence

    def spans(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Both sides of each pair."""
        return rows[:, A_SENTENCE : B_LENGTH + 1].reshape(-1, 3)

    def moved(self, rows: Rows) -> Rows:
        """Pairs of the sentences 0 and 1, 2 and 3, ..."""
        rows = rows.copy()
        rows[:, A_SENTENCE] = 2 * np.arange(len(rows))
        rows[:, B_SENTENCE] = rows[:, A_SENTENCE] + 1
        rows[:, A_SKIP] = rows[:, B_SKIP] = 0
        return rows

    @property
    def _most(self) -> int:
        """Tokens of an instance besides the special ones."""
        return self.config.max_seq_length - (3 if self.config.next_sentence else 2)

    def encode(self, store: TokenStore, rows: Rows) -> Iterator[Encoded]:
        """Lays out, masks and encodes the rows."""
        for start in range(0, len(rows), _ENCODED):
            yield self._encode(store, rows[start : start + _ENCODED])

    def _encode(self, store: TokenStore, rows: Rows) -> Encoded:
        layout, specials, config = self._layout, self._specials, self.config
        values, tokens = layout.empty(len(rows)), np.empty(len(rows), np.int64)
        lay_out(
            *(rows, store.ids, store.starts, store.lengths, store.is_contiguous),
            *(specials.cls, specials.sep, specials.pad, config.max_seq_length),
            *(self._columns("input_ids", "input_mask", "segment_ids", "next_sentence_labels"), values, tokens),
        )
        keys = keys_of(rows)
        masked = mask_tokens(
            *(keys, tokens, config.max_seq_length, config.max_predictions_per_seq),
            *(self._columns("input_ids", "masked_lm_positions", "masked_lm_ids", "masked_lm_weights"), config.masked_lm_prob),
            *(np.array([specials.cls, specials.sep], np.int32), specials.mask, self._ordinary, self._inside),
            *(config.max_ngram_size, values),
        )
        measured = {"instances": len(rows), "tokens": int(tokens.sum()), "masked": int(masked)}
        if config.next_sentence:
            measured["random_next"] = int(rows[:, IS_RANDOM].sum())
        return Encoded(layout.encode(values), keys, measured)

    def _columns(self, *names: str) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """int64[n]: where each feature begins, -1 for one that the records lack."""
        return np.array([self._layout.starts.get(_named(name, self.config), -1) for name in names], np.int64)


def _is_alone(store: TokenStore) -> bool:
    """True where all documents are of one group, or there is none."""
    return len(store.group_offsets) <= 2
