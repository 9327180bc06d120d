"""BERT and RoBERTa with their pretraining heads, from KerasHub's parts. Imports Keras: for the trainer's processes only."""

from typing import Any

import keras
import keras_hub

from threadmill.training.models.presets import ModelPreset, ModelSizes

MASKED_LM = "masked_lm"
NEXT_SENTENCE = "next_sentence"

_BERT_EPSILON, _ROBERTA_EPSILON = 1e-12, 1e-5  # of layer norms, as the originals have them
_INITIAL_DEVIATION = 0.02


def build_bert(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> Any:
    """A randomly initialised BERT (Devlin et al. 2018) for pretraining; without a next sentence, without pooler.

    Returns:
        A functional keras.Model. Inputs, int32: ``token_ids``, ``segment_ids``, ``padding_mask`` [B, S] and
        ``mask_positions`` [B, P]. Outputs, float32 logits: ``masked_lm`` [B, P, V], at the masked positions only, from
        the embedding matrix transposed; ``next_sentence`` [B, 2], where 1 means that the second segment is random.
    """
    backbone = keras_hub.models.BertBackbone(**_dimensions(preset, sizes, dropout))
    # The heads stand on the backbone's own layers, not on a call of the backbone as one layer: Keras then stores the
    # embedding once, and the saved model loads with it shared; nested, it cannot be loaded at all.
    inputs, outputs = _with_masked_lm(backbone, backbone.output["sequence_output"], _BERT_EPSILON)
    if sizes.next_sentence:
        head = keras.layers.Dense(2, kernel_initializer=_initializer(), dtype="float32", name=NEXT_SENTENCE)
        outputs[NEXT_SENTENCE] = head(backbone.output["pooled_output"])
    return keras.Model(inputs, outputs, name="bert_pretraining")


def build_roberta(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> Any:
    """A randomly initialised RoBERTa (Liu et al. 2019) for pretraining; its positions count from 0, as KerasHub's do.

    Returns:
        As `build_bert`, but for ``segment_ids`` and ``next_sentence``, which RoBERTa has not.
    """
    if sizes.next_sentence:
        raise ValueError("RoBERTa has no next sentence to tell; build it with next_sentence=False")
    backbone = keras_hub.models.RobertaBackbone(**_dimensions(preset, sizes, dropout))
    # As the backbone calls its layers, but for its layer around both embeddings: the head would share a layer that is no
    # layer of the model itself, and a saved model loads with such a one twice, and once without weights.
    tokens = backbone.token_embedding(backbone.input["token_ids"])
    encoded = keras.layers.Add(name="embeddings_add")((tokens, backbone.embeddings.position_embedding(tokens)))
    encoded = backbone.embeddings_dropout(backbone.embeddings_layer_norm(encoded))
    for layer in backbone.transformer_layers:
        encoded = layer(encoded, padding_mask=backbone.input["padding_mask"])
    return keras.Model(*_with_masked_lm(backbone, encoded, _ROBERTA_EPSILON), name="roberta_pretraining")


def _dimensions(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> dict[str, Any]:
    return {
        "vocabulary_size": sizes.vocabulary_size,
        "num_layers": preset.num_layers,
        "num_heads": preset.num_heads,
        "hidden_dim": preset.hidden_dim,
        "intermediate_dim": preset.intermediate_dim,
        "dropout": dropout,
        "max_sequence_length": sizes.max_seq_length,
    }


def _with_masked_lm(backbone: Any, encoded: Any, epsilon: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs and outputs of the backbone with the masked LM's head on ``encoded`` [B, S, H]."""
    masked_lm = keras_hub.layers.MaskedLMHead(
        token_embedding=backbone.token_embedding,
        intermediate_activation=backbone.transformer_layers[0].activation,  # one GELU throughout, as in the originals
        layer_norm_epsilon=epsilon,
        kernel_initializer=_initializer(),
        name=MASKED_LM,
    )
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    return {**backbone.input, "mask_positions": positions}, {MASKED_LM: masked_lm(encoded, positions)}


def _initializer() -> Any:
    return keras.initializers.TruncatedNormal(stddev=_INITIAL_DEVIATION)
