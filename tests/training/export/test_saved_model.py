"""A SavedModel, run by TensorFlow alone: in a process that has neither Keras nor Threadmill."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.export.made_models import whole_inputs
from tests.training.models.made import made_model, outputs_of

pytestmark = pytest.mark.keras

ELSEWHERE = """
import sys
sys.modules.update(keras=None, keras_hub=None, threadmill=None)  # to import one would fail, as where it is not installed
import numpy as np, tensorflow as tf
for folder in sys.argv[1:]:
    (name, serve), = tf.saved_model.load(folder).signatures.items()
    assert name == "serving_default"
    with np.load(folder + ".npz") as inputs:
        outputs = serve(**{key: tf.constant(inputs[key]) for key in inputs})
    np.savez(folder + "-outputs.npz", **{key: value.numpy() for key, value in outputs.items()})
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the exporter writes it with TensorFlow")
def test_plain_tensorflow_gives_the_same_outputs(tmp_path: Path) -> None:
    from threadmill.training.export.saved_model import write_saved_model

    expected = {}
    for kind in ("bert", "post-norm", "causal"):
        folder = tmp_path / kind
        write_saved_model(made_model(kind), str(folder))
        assert sorted(path.name for path in folder.iterdir()) == ["saved_model.pb", "variables"]
        inputs = whole_inputs(kind, rows=3)
        np.savez(f"{folder}.npz", **inputs)
        expected[folder] = outputs_of(made_model(kind), inputs)
    subprocess.run([sys.executable, "-c", ELSEWHERE, *map(str, expected)], check=True, cwd=tmp_path)

    for folder, outputs in expected.items():
        with np.load(f"{folder}-outputs.npz") as found:
            assert sorted(found) == sorted(outputs)
            for name in outputs:
                np.testing.assert_allclose(found[name], outputs[name], atol=1e-5, err_msg=f"{folder.name} {name}")
