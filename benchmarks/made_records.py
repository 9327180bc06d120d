"""Pretraining records of every objective, made of random tokens as frequent as words are; in seconds, and with no other data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from threadmill.datasets.fixed_records import FixedRecords, Values
from threadmill.datasets.manifest import Field
from threadmill.pretraining.bert import bert_schema
from threadmill.pretraining.causal import causal_schema
from threadmill.pretraining.config import BertConfig, CausalConfig, RobertaConfig, Seq2SeqConfig
from threadmill.pretraining.roberta import roberta_schema
from threadmill.pretraining.seq2seq import seq2seq_schema
from threadmill.training.inputs.masking import MaskingRules
from threadmill.training.inputs.records import RecordFiles, RecordFormat

VOCABULARY = 30_522  # BERT's
_SPECIAL, _FIRST = 5, 1000  # [PAD], [UNK], [CLS], [SEP] and [MASK]; ordinary tokens begin later, as in BERT's
_CLS, _SEP, _MASK = 2, 3, 4
_PACKED = 4  # pairs or documents a record

# For records that hold no masks.
RULES = MaskingRules(0.15, _MASK, tuple(range(_SPECIAL)))


@dataclass(frozen=True)
class Sizes:
    """S tokens, P masked ones, and T of a response."""

    max_seq_length: int = 128
    max_predictions_per_seq: int = 20
    max_target_length: int = 128


def make_records(folder: Path, objective: str, records: int, shards: int = 4, sizes: Sizes = Sizes()) -> RecordFiles:
    """Writes TFRecord files of ``records`` in all, each in full length."""
    folder.mkdir(parents=True, exist_ok=True)
    schema, fill = _OBJECTIVES[objective]
    layout, rng = FixedRecords(schema(sizes)), np.random.default_rng(1)
    files = []
    for number in range(shards):
        values = layout.empty(records // shards)
        fill(layout, values, rng)
        files.append(folder / f"train-{number:05d}-of-{shards:05d}.tfrecord")
        layout.encode(values).tofile(files[-1])
    return RecordFiles(tuple(map(str, files)), records // shards * shards, record_format(objective, sizes))


def record_format(objective: str, sizes: Sizes) -> RecordFormat:
    """What the records of an objective hold."""
    features = tuple(field.name for field in _OBJECTIVES[objective][0](sizes))
    predictions = sizes.max_predictions_per_seq if objective in ("bert", "roberta") else 0
    target = sizes.max_target_length if objective == "seq2seq" else 0
    return RecordFormat(objective, sizes.max_seq_length, predictions, features, target)


def _tokens(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Ids of ordinary tokens, as frequent as Zipf's law has it (with Mandelbrot's shift)."""
    shares = (np.arange(VOCABULARY - _FIRST) + 2.7) ** -1.12
    bounds = np.cumsum(shares / shares.sum())
    ids = _FIRST + np.searchsorted(bounds[:-1], rng.random(shape, np.float32))
    return ids.astype(np.int32)


def _sequences(layout: FixedRecords, values: Values, rng: np.random.Generator) -> None:
    tokens = layout.view(values, "input_ids")
    tokens[:] = _tokens(rng, tokens.shape)
    tokens[:, 0], tokens[:, -1] = _CLS, _SEP
    layout.view(values, "input_mask")[:] = 1


def _bert(layout: FixedRecords, values: Values, rng: np.random.Generator) -> None:
    _sequences(layout, values, rng)
    tokens, positions = layout.view(values, "input_ids"), layout.view(values, "masked_lm_positions")
    length = tokens.shape[1]
    layout.view(values, "segment_ids")[:] = np.arange(length) >= length // 2
    order = rng.random((len(values), length - 2), np.float32).argpartition(positions.shape[1], axis=1)
    positions[:] = np.sort(1 + order[:, : positions.shape[1]], axis=1)
    layout.view(values, "masked_lm_ids")[:] = np.take_along_axis(tokens, positions.astype(np.int64), 1)
    np.put_along_axis(tokens, positions.astype(np.int64), _MASK, 1)
    layout.floats(values, "masked_lm_weights")[:] = 1
    layout.view(values, "next_sentence_labels")[:] = rng.integers(2, size=(len(values), 1))


def _causal(layout: FixedRecords, values: Values, rng: np.random.Generator) -> None:
    _sequences(layout, values, rng)
    _pack(layout, values, "segment_ids")


def _seq2seq(layout: FixedRecords, values: Values, rng: np.random.Generator) -> None:
    for name in ("encoder_input_ids", "decoder_labels"):
        tokens = layout.view(values, name)
        tokens[:] = _tokens(rng, tokens.shape)
    before, after = layout.view(values, "decoder_input_ids"), layout.view(values, "decoder_labels")
    before[:, 0], before[:, 1:], after[:, -1] = _CLS, after[:, :-1], _SEP
    for name in ("encoder_segment_ids", "decoder_segment_ids"):
        _pack(layout, values, name)


def _pack(layout: FixedRecords, values: Values, name: str) -> None:
    segments = layout.view(values, name)
    segments[:] = 1 + np.arange(segments.shape[1]) * _PACKED // segments.shape[1]


Schema = Callable[[Sizes], tuple[Field, ...]]
Fill = Callable[[FixedRecords, Values, np.random.Generator], None]

# The schemas are those of `threadmill records`.
_OBJECTIVES: dict[str, tuple[Schema, Fill]] = {
    "bert": (lambda sizes: bert_schema(BertConfig(**_masked(sizes))), _bert),
    "roberta": (lambda sizes: roberta_schema(RobertaConfig(**_masked(sizes))), _sequences),
    "seq2seq": (
        lambda sizes: seq2seq_schema(
            Seq2SeqConfig(max_seq_length=sizes.max_seq_length, max_target_length=sizes.max_target_length)
        ),
        _seq2seq,
    ),
    "causal": (lambda sizes: causal_schema(CausalConfig(max_seq_length=sizes.max_seq_length)), _causal),
}


def _masked(sizes: Sizes) -> dict[str, int]:
    return {"max_seq_length": sizes.max_seq_length, "max_predictions_per_seq": sizes.max_predictions_per_seq}
