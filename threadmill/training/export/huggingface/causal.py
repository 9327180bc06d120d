"""The causal language model as transformers' GPT2LMHeadModel has it."""

from typing import Any

import numpy as np

from threadmill.training.export.huggingface.layout import Json, Layout, TokenIds
from threadmill.training.export.huggingface.weights import KerasWeights, Tensors, activation_name


def causal(model: Any, described: Json, ids: TokenIds) -> Layout:
    """GPT2LMHeadModel, whose ``Conv1D`` keep their weights as Keras does: [input, output]."""
    weights = KerasWeights.of(model)
    config = _config(model, weights, described, ids)
    tensors = {
        "transformer.wte.weight": weights.take("token_embedding/embeddings"),
        "transformer.wpe.weight": weights.take("position_embedding/embeddings"),
        **weights.norm("layer_norm", "transformer.ln_f"),
    }
    for number in range(config["n_layer"]):
        tensors |= _layer(weights, f"layer_{number}", f"transformer.h.{number}")
    weights.check_all_taken()
    special = {name: config[name] for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    generation = {**special, "max_length": config["n_positions"], "do_sample": True, "top_p": 0.9}
    return Layout("GPT2LMHeadModel", config, tensors, "text-generation", generation)


def _config(model: Any, weights: KerasWeights, described: Json, ids: TokenIds) -> dict[str, Any]:
    layer = model.get_layer("layer_0")
    vocabulary_size, width = weights.look("token_embedding/embeddings").shape
    dropout = described["training"]["dropout"]
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": vocabulary_size,
        "n_positions": len(weights.look("position_embedding/embeddings")),
        "n_embd": width,
        "n_layer": weights.count("layer_"),
        "n_head": layer.num_heads,
        "n_inner": layer.intermediate_dim,
        "activation_function": activation_name(layer),
        "layer_norm_epsilon": layer.layer_norm_epsilon,
        "embd_pdrop": dropout,
        "attn_pdrop": dropout,
        "resid_pdrop": dropout,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "pad_token_id": ids.pad,
        "bos_token_id": ids.sep,  # a document begins where another one ended
        "eos_token_id": ids.sep,
        "dtype": "float32",
    }


def _layer(weights: KerasWeights, source: str, target: str) -> Tensors:
    own = f"{source}/self_attention"
    parts = [weights.dense(f"{own}/{part}", "c_attn") for part in ("query", "key", "value")]  # one layer in GPT-2
    tensors = {
        f"{target}.attn.c_attn.weight": np.concatenate([part["c_attn.weight"] for part in parts]),
        f"{target}.attn.c_attn.bias": np.concatenate([part["c_attn.bias"] for part in parts]),
        **weights.dense(f"{own}/attention_output", f"{target}.attn.c_proj", inputs=2),
        **weights.dense(f"{source}/feedforward_intermediate_dense", f"{target}.mlp.c_fc"),
        **weights.dense(f"{source}/feedforward_output_dense", f"{target}.mlp.c_proj"),
    }
    turned = {name: np.ascontiguousarray(value.T) if name.endswith("weight") else value for name, value in tensors.items()}
    return {
        **turned,
        **weights.norm(f"{source}/self_attention_layer_norm", f"{target}.ln_1"),
        **weights.norm(f"{source}/feedforward_layer_norm", f"{target}.ln_2"),
    }
