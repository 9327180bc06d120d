from dataclasses import replace

import pytest

from threadmill.training.models.build import build_model
from threadmill.training.models.presets import PRESETS, SMALLEST, ModelSizes
from threadmill.training.optimizers.exclusions import excluded

pytestmark = pytest.mark.keras


@pytest.mark.parametrize("objective", ["bert", "roberta", "seq2seq", "causal"])
def test_matrices_and_embeddings_decay_and_biases_and_norms_do_not(objective: str) -> None:
    """Of every architecture; a query's bias is a matrix, too: heads times their width."""
    preset = replace(PRESETS[SMALLEST[objective]], num_layers=1, hidden_dim=8, num_heads=2, intermediate_dim=16)
    variables = build_model(preset, ModelSizes(30, 16, 8, next_sentence=objective == "bert"), 0.1).trainable_variables

    left_out = excluded(variables)

    names = {variable.name for variable in left_out}
    assert names - {"output_bias"} == {"bias", "gamma", "beta"}
    ids = {id(variable) for variable in left_out}
    assert {variable.name for variable in variables if id(variable) not in ids} == {"kernel", "embeddings"}
