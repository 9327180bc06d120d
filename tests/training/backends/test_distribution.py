"""Four virtual devices train as one does: in processes of their own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "distributions"), [("tensorflow", ["data"]), ("jax", ["data"]), ("jax", ["model", "model 2"])]
)
def test_losses_on_four_devices_are_those_on_one(backend: str, distributions: list[str]) -> None:
    one, *several = trained(backend, "one", *distributions)

    assert one["devices"] == 1
    assert one["measures"][0][0] > one["measures"][-1][0]
    for found in several:
        assert found["devices"] == 4
        np.testing.assert_allclose(found["measures"], one["measures"], rtol=1e-4)
        np.testing.assert_allclose(found["again"], one["measures"][:2], rtol=1e-4)
        assert found["scores"] == pytest.approx(one["scores"], rel=1e-3)
        assert found["state"].keys() == one["state"].keys()
        for name, values in one["state"].items():  # Adam's moments tell a gradient that is counted twice; the losses do not
            np.testing.assert_allclose(found["state"][name], values, rtol=1e-2, atol=1e-4, err_msg=name)
    if distributions[0] == "model":
        check_shares(*several)
    else:
        assert several[0]["shared"] == {}


def check_shares(four: dict[str, Any], two: dict[str, Any]) -> None:
    """Each device's part of the variables, of a model of width 16 with 4 heads of 4 and 22 tokens."""
    layer = "transformer_layer_0"
    assert four["shared"]["token_embedding/embeddings"] == [22, 4]
    assert two["shared"]["token_embedding/embeddings"] == [11, 16]
    assert four["shared"][f"{layer}/self_attention_layer/query/kernel"] == [16, 1, 4]
    assert two["shared"][f"{layer}/self_attention_layer/query/kernel"] == [16, 2, 4]
    assert four["shared"][f"{layer}/self_attention_layer/attention_output/kernel"] == [1, 4, 16]
    assert four["shared"][f"{layer}/feedforward_intermediate_dense/kernel"] == [16, 8]
    assert four["shared"][f"{layer}/feedforward_output_dense/kernel"] == [8, 16]
    assert not [path for path in four["shared"] if "norm" in path]


def trained(backend: str, *distributions: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.training.backends.virtual_devices", backend, *distributions]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [orjson.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
