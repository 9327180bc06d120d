"""BERT's masked LM and next-sentence instances from documents, as Arrow tables of Google's features."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.datasets.manifest import Field
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.documents import Documents
from threadmill.pretraining.masking import document_keys, lay_out, mask_tokens
from threadmill.pretraining.sentence_pairs import IS_RANDOM, plan_pairs
from threadmill.randomness import permutation, stream_key
from threadmill.vocab.vocabulary import Vocabulary

_BLOCK = 8192  # instances laid out at a time: about 14 MB at S = 128
Pairs = npt.NDArray[np.int64]


def bert_schema(config: BertConfig) -> tuple[Field, ...]:
    """The features of create_pretraining_data, with their types."""
    sequence, predictions = f"int64[{config.max_seq_length}]", f"int64[{config.max_predictions_per_seq}]"
    return (
        Field("input_ids", sequence),
        Field("input_mask", sequence),
        Field("segment_ids", sequence),
        Field("masked_lm_positions", predictions),
        Field("masked_lm_ids", predictions),
        Field("masked_lm_weights", f"float32[{config.max_predictions_per_seq}]"),
        Field("next_sentence_labels", "int64[1]"),
    )


def bert_tables(
    documents: Documents, vocabulary: Vocabulary, config: BertConfig, key: np.uint64, passage: int
) -> Iterator[pa.Table]:
    """The instances of one pass over the documents, shuffled, as tables of up to 8192 rows.

    Memory holds 72 bytes an instance of the pass and one table, however many passes there are.

    Args:
        key: of the shard's random stream; a pair depends on it, on the document's row and thread mates, and on ``passage``.
        passage: the pass's number, from 0.

    Yields:
        Tables of fixed-size lists, int32[S], int32[P], float32[P] and int32[1], as `bert_schema` names them.
    """
    sentences = documents.sentences
    keys = document_keys(key, documents.rows, passage)
    pairs = plan_pairs(
        *(sentences.offsets, documents.turns, documents.turn_offsets, documents.threads, keys),
        *(config.max_seq_length, config.short_seq_prob),
    )
    order = permutation(stream_key(int(key), "shuffle", passage), len(pairs))
    for start in range(0, len(order), _BLOCK):
        yield _table(documents, vocabulary, config, keys, pairs[order[start : start + _BLOCK]])


def _table(
    documents: Documents, vocabulary: Vocabulary, config: BertConfig, keys: npt.NDArray[np.uint64], pairs: Pairs
) -> pa.Table:
    sequence, predictions = (len(pairs), config.max_seq_length), (len(pairs), config.max_predictions_per_seq)
    input_ids, input_mask, segment_ids = (np.zeros(sequence, np.int32) for _ in range(3))
    positions, labels = (np.zeros(predictions, np.int32) for _ in range(2))
    weights = np.zeros(predictions, np.float32)
    sentences, ids = documents.sentences, vocabulary.ids
    lay_out(
        *(pairs, sentences.ids, sentences.offsets, documents.turns, ids["[CLS]"], ids["[SEP]"]),
        *(input_ids, input_mask, segment_ids),
    )
    mask_tokens(
        *(pairs, keys, config.masked_lm_prob, ids["[MASK]"], vocabulary.ordinary_ids, input_ids),
        *(positions, labels, weights),
    )
    is_random = pairs[:, IS_RANDOM].astype(np.int32)[:, None]
    columns = (input_ids, input_mask, segment_ids, positions, labels, weights, is_random)
    lists = [pa.FixedSizeListArray.from_arrays(pa.array(column.reshape(-1)), column.shape[1]) for column in columns]
    return pa.table(lists, names=[field.name for field in bert_schema(config)])


def measure_bert(table: pa.Table) -> dict[str, int]:
    """Sums over a table: instances, those with a random next sentence, tokens, and masked tokens."""
    return {
        "instances": table.num_rows,
        "random_next": _total(table, "next_sentence_labels"),
        "tokens": _total(table, "input_mask"),
        "masked": _total(table, "masked_lm_weights"),
    }


def _total(table: pa.Table, name: str) -> int:
    return int(sum(np.asarray(chunk.flatten()).sum() for chunk in table[name].chunks))
