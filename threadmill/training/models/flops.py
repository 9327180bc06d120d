"""The floating-point operations of training on one sequence, from a model's dimensions: what its speed is measured against."""

from collections.abc import Callable

from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ROBERTA, ModelPreset, ModelSizes

_BACKWARD = 2  # a matrix product has two in its backward pass


def training_flops(preset: ModelPreset, sizes: ModelSizes, max_predictions_per_seq: int = 0) -> int:
    """FLOPs of one record's forward and backward pass.

    Counted as in the PaLM paper (Chowdhery et al. 2022, appendix B): the matrix products alone, attention's among them, each
    of 2 x m x n x k; the backward pass as two of the forward one. All positions count, padding and masked ones too, and a
    causal mask spares nothing: what a device computes, not what is needed at least. Recomputed activations do not count.

    Args:
        max_predictions_per_seq: P, the positions for which BERT's and RoBERTa's head tells tokens.
    """
    return (1 + _BACKWARD) * _FORWARD[preset.architecture](preset, sizes, max_predictions_per_seq)


def _encoder(preset: ModelPreset, sizes: ModelSizes, predictions: int) -> int:
    width = preset.hidden_dim
    head = predictions * (_product(width, width) + _product(width, sizes.vocabulary_size))
    pooled = _product(width, width) + _product(width, 2) if sizes.next_sentence else 0
    return preset.num_layers * _layer(preset, sizes.max_seq_length) + head + pooled


def _encoder_decoder(preset: ModelPreset, sizes: ModelSizes, _predictions: int) -> int:
    width, source, target = preset.hidden_dim, sizes.max_seq_length, sizes.max_target_length
    encoder = preset.encoder_layers * _layer(preset, source)
    decoder = preset.num_layers * (_layer(preset, target) + _attention(width, target, source))
    return encoder + decoder + target * _product(width, sizes.vocabulary_size)


def _causal(preset: ModelPreset, sizes: ModelSizes, _predictions: int) -> int:
    length = sizes.max_seq_length
    return preset.num_layers * _layer(preset, length) + length * _product(preset.hidden_dim, sizes.vocabulary_size)


def _layer(preset: ModelPreset, length: int) -> int:
    """Self-attention and feed-forward layer."""
    feed_forward = 2 * length * _product(preset.hidden_dim, preset.intermediate_dim)
    return _attention(preset.hidden_dim, length, length) + feed_forward


def _attention(width: int, queries: int, keys: int) -> int:
    """Queries and output, keys and values; the scores, and the sums that they weight."""
    projections = 2 * (queries + keys) * _product(width, width)
    return projections + 2 * queries * keys * 2 * width


def _product(rows: int, columns: int) -> int:
    """A vector times a matrix."""
    return 2 * rows * columns


_FORWARD: dict[str, Callable[[ModelPreset, ModelSizes, int], int]] = {
    BERT: _encoder,
    ROBERTA: _encoder,
    ENCODER_DECODER: _encoder_decoder,
    CAUSAL: _causal,
}
