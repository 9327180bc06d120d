"""BERT and RoBERTa as transformers' BertForPreTraining, BertForMaskedLM and RobertaForMaskedLM have them."""

from typing import Any

import numpy as np

from threadmill.training.export.huggingface.layout import Json, Layout, TokenIds
from threadmill.training.export.huggingface.weights import KerasWeights, Tensors, Weight, activation_name

_TASK = "fill-mask"
_POSITIONS, _NEXT_SENTENCE = "position_embedding/embeddings", "next_sentence"


def bert(model: Any, described: Json, ids: TokenIds) -> Layout:
    """BertForPreTraining where the model tells a next sentence, in which label 1 is a random one to both, or BertForMaskedLM."""
    weights = KerasWeights.of(model)
    model_class = "BertForPreTraining" if f"{_NEXT_SENTENCE}/kernel" in weights else "BertForMaskedLM"
    positions, segments = weights.take(_POSITIONS), weights.take("segment_embedding/embeddings")
    config = {
        **_config(model, weights, described, ids),
        "architectures": [model_class],
        "model_type": "bert",
        "max_position_embeddings": len(positions),
        "type_vocab_size": len(segments),
    }
    tensors = {**_encoder(weights, "bert", positions, segments), **_masked_lm(weights, "cls.predictions.transform.", "LayerNorm")}
    tensors["cls.predictions.bias"] = weights.take("masked_lm/output_bias")
    if model_class == "BertForPreTraining":
        tensors |= weights.dense("pooled_dense", "bert.pooler.dense")
        tensors |= weights.dense(_NEXT_SENTENCE, "cls.seq_relationship")
    weights.check_all_taken()
    return Layout(model_class, config, tensors, _TASK)


def roberta(model: Any, described: Json, ids: TokenIds) -> Layout:
    """RobertaForMaskedLM. Its positions count from the padding token's id on, the first token's being one more."""
    weights = KerasWeights.of(model)
    learned = weights.take(_POSITIONS)
    width = learned.shape[1]
    positions = np.concatenate([np.zeros((ids.pad + 1, width), np.float32), learned])
    config = {
        **_config(model, weights, described, ids),
        "architectures": ["RobertaForMaskedLM"],
        "model_type": "roberta",
        "max_position_embeddings": len(positions),
        "type_vocab_size": 1,
    }
    segments = np.zeros((1, width), np.float32)  # it has none, and transformers adds this one everywhere
    tensors = {**_encoder(weights, "roberta", positions, segments), **_masked_lm(weights, "lm_head.", "layer_norm")}
    tensors["lm_head.bias"] = weights.take("masked_lm/output_bias")
    weights.check_all_taken()
    return Layout("RobertaForMaskedLM", config, tensors, _TASK)


def _config(model: Any, weights: KerasWeights, described: Json, ids: TokenIds) -> dict[str, Any]:
    layer = model.get_layer("transformer_layer_0")
    vocabulary_size, width = weights.look("token_embedding/embeddings").shape
    dropout = described["training"]["dropout"]
    return {
        "vocab_size": vocabulary_size,
        "hidden_size": width,
        "num_hidden_layers": weights.count("transformer_layer_"),
        "num_attention_heads": layer.num_heads,
        "intermediate_size": layer.intermediate_dim,
        "hidden_act": activation_name(layer),
        "layer_norm_eps": layer.layer_norm_epsilon,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "pad_token_id": ids.pad,
        "bos_token_id": ids.cls,
        "eos_token_id": ids.sep,
        "dtype": "float32",
    }


def _encoder(weights: KerasWeights, prefix: str, positions: Weight, segments: Weight) -> Tensors:
    embeddings = f"{prefix}.embeddings"
    tensors = {
        f"{embeddings}.word_embeddings.weight": weights.take("token_embedding/embeddings"),
        f"{embeddings}.position_embeddings.weight": positions,
        f"{embeddings}.token_type_embeddings.weight": segments,
        **weights.norm("embeddings_layer_norm", f"{embeddings}.LayerNorm"),
    }
    for number in range(weights.count("transformer_layer_")):
        tensors |= _layer(weights, f"transformer_layer_{number}", f"{prefix}.encoder.layer.{number}")
    return tensors


def _layer(weights: KerasWeights, source: str, target: str) -> Tensors:
    attention, own = f"{target}.attention", f"{target}.attention.self"
    parts = (f"{own}.query", f"{own}.key", f"{own}.value", f"{attention}.output.dense")
    return {
        **weights.attention(f"{source}/self_attention_layer", parts),
        **weights.norm(f"{source}/self_attention_layer_norm", f"{attention}.output.LayerNorm"),
        **weights.dense(f"{source}/feedforward_intermediate_dense", f"{target}.intermediate.dense"),
        **weights.dense(f"{source}/feedforward_output_dense", f"{target}.output.dense"),
        **weights.norm(f"{source}/feedforward_layer_norm", f"{target}.output.LayerNorm"),
    }


def _masked_lm(weights: KerasWeights, prefix: str, norm: str) -> Tensors:
    """The head less its bias; its matrix is the embedding's."""
    return {
        **weights.dense("masked_lm/intermediate_dense", f"{prefix}dense"),
        **weights.norm("masked_lm/intermediate_layer_norm", f"{prefix}{norm}"),
    }
