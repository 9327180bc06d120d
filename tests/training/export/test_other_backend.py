"""A model's file is of no backend: what was saved on one gives the same outputs on the other."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.export.made_models import whole_inputs
from tests.training.models.made import SMALL, made_model, outputs_of
from threadmill.training.export.keras_file import export_model

pytestmark = pytest.mark.keras

ELSEWHERE = """
import sys, numpy as np, keras, keras_hub
assert keras.backend.backend() == sys.argv[1]
for folder in sys.argv[2:]:
    model = keras.models.load_model(folder + "/model.keras")
    with np.load(folder + "/inputs.npz") as inputs:
        outputs = model({name: inputs[name] for name in inputs}, training=False)
    np.savez(folder + "/outputs.npz", **{name: np.asarray(value) for name, value in outputs.items()})
assert "threadmill" not in sys.modules
"""


@pytest.mark.slow
def test_other_backend_gives_the_same_outputs(tmp_path: Path) -> None:
    other = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    folders = {kind: tmp_path / kind.replace(" ", "-") for kind in SMALL}
    for kind, folder in folders.items():
        export_model(made_model(kind), str(folder))
        np.savez(folder / "inputs.npz", **whole_inputs(kind))
    command = [sys.executable, "-c", ELSEWHERE, other, *map(str, folders.values())]
    subprocess.run(command, check=True, cwd=tmp_path, env={**os.environ, "KERAS_BACKEND": other})

    for kind, folder in folders.items():
        with np.load(folder / "outputs.npz") as found:
            for name, expected in outputs_of(made_model(kind), whole_inputs(kind)).items():
                np.testing.assert_allclose(found[name], expected, atol=1e-5, err_msg=f"{kind} {name}")
