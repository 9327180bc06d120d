"""The encoder-decoder as transformers' BlenderbotForConditionalGeneration or BlenderbotSmallForConditionalGeneration."""

from typing import Any

import numpy as np

from threadmill.training.export.huggingface.layout import Json, Layout, TokenIds
from threadmill.training.export.huggingface.weights import KerasWeights, Tensors, activation_name


def encoder_decoder(model: Any, described: Json, ids: TokenIds) -> Layout:
    """The layout by whether layer norms stand before attention and feed-forward layers."""
    weights = KerasWeights.of(model)
    before = bool(model.get_layer("decoder_layer_0").normalize_first)
    name, model_type = ("Blenderbot", "blenderbot") if before else ("BlenderbotSmall", "blenderbot-small")
    model_class = f"{name}ForConditionalGeneration"
    config = {**_config(model, weights, described, ids), "architectures": [model_class], "model_type": model_type}
    embedding = weights.take("token_embedding/embeddings")
    tensors = {"model.shared.weight": embedding, "final_logits_bias": np.zeros((1, len(embedding)), np.float32)}
    norm = "layer_norm" if before else "layernorm_embedding"
    for stack in ("encoder", "decoder"):
        tensors[f"model.{stack}.embed_positions.weight"] = weights.take(f"{stack}_position_embedding/embeddings")
        tensors |= weights.norm(f"{stack}_layer_norm", f"model.{stack}.{norm}")
        for number in range(weights.count(f"{stack}_layer_")):
            tensors |= _LAYERS[stack](weights, f"{stack}_layer_{number}", f"model.{stack}.layers.{number}")
    weights.check_all_taken()
    return Layout(model_class, config, tensors, "text-generation", _generation(described, ids))


def _config(model: Any, weights: KerasWeights, described: Json, ids: TokenIds) -> dict[str, Any]:
    layer = model.get_layer("decoder_layer_0")
    vocabulary_size, width = weights.look("token_embedding/embeddings").shape
    dropout = described["training"]["dropout"]
    dimensions = {
        f"{stack}_{name}": value
        for stack in ("encoder", "decoder")
        for name, value in {
            "layers": weights.count(f"{stack}_layer_"),
            "attention_heads": layer.num_heads,
            "ffn_dim": layer.intermediate_dim,
        }.items()
    }
    return {
        "is_encoder_decoder": True,
        "vocab_size": vocabulary_size,
        "d_model": width,
        **dimensions,
        "max_position_embeddings": len(weights.look("encoder_position_embedding/embeddings")),
        "activation_function": activation_name(layer),
        "scale_embedding": True,
        "dropout": dropout,
        "attention_dropout": dropout,
        "activation_dropout": 0.0,
        "init_std": 0.02,
        "tie_word_embeddings": True,
        **_special_ids(ids),
        "forced_eos_token_id": ids.sep,
        "dtype": "float32",
    }


def _special_ids(ids: TokenIds) -> dict[str, int]:
    return {"pad_token_id": ids.pad, "bos_token_id": ids.cls, "eos_token_id": ids.sep, "decoder_start_token_id": ids.cls}


def _generation(described: Json, ids: TokenIds) -> Json:
    """As BlenderBot's replies are searched for (Roller et al. 2020, section 4), but for their shortest length, which is a
    matter of the model's size."""
    return {
        **_special_ids(ids),
        "forced_eos_token_id": ids.sep,
        "max_length": described["max_target_length"] + 1,  # the beginning is counted
        "num_beams": 10,
        "no_repeat_ngram_size": 3,
        "length_penalty": 0.65,
        "early_stopping": True,
    }


def _encoder_layer(weights: KerasWeights, source: str, target: str) -> Tensors:
    return {
        **_attention(weights, f"{source}/self_attention_layer", f"{target}.self_attn"),
        **weights.norm(f"{source}/self_attention_layer_norm", f"{target}.self_attn_layer_norm"),
        **_feed_forward(weights, source, target),
    }


def _decoder_layer(weights: KerasWeights, source: str, target: str) -> Tensors:
    return {
        **_attention(weights, f"{source}/self_attention", f"{target}.self_attn"),
        **weights.norm(f"{source}/self_attention_layer_norm", f"{target}.self_attn_layer_norm"),
        **_attention(weights, f"{source}/cross_attention", f"{target}.encoder_attn"),
        **weights.norm(f"{source}/cross_attention_layer_norm", f"{target}.encoder_attn_layer_norm"),
        **_feed_forward(weights, source, target),
    }


def _attention(weights: KerasWeights, source: str, target: str) -> Tensors:
    return weights.attention(source, (f"{target}.q_proj", f"{target}.k_proj", f"{target}.v_proj", f"{target}.out_proj"))


def _feed_forward(weights: KerasWeights, source: str, target: str) -> Tensors:
    return {
        **weights.dense(f"{source}/feedforward_intermediate_dense", f"{target}.fc1"),
        **weights.dense(f"{source}/feedforward_output_dense", f"{target}.fc2"),
        **weights.norm(f"{source}/feedforward_layer_norm", f"{target}.final_layer_norm"),
    }


_LAYERS = {"encoder": _encoder_layer, "decoder": _decoder_layer}
