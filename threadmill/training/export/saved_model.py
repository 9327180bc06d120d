"""The model as a SavedModel, which TensorFlow runs without Keras. Imports TensorFlow: for the exporter's process only."""

import os
import shutil
from typing import Any

import tensorflow as tf

_FINGERPRINT = "fingerprint.pb"  # optional; it has a random id, and digests of what is there


def write_saved_model(model: Any, folder: str) -> None:
    """Writes ``saved_model.pb`` and ``variables/`` into ``folder``, made anew.

    Its one signature, ``serving_default``, takes the model's inputs by name (int32, any number of rows of any length up to
    the model's) and gives its outputs by name (float32), without dropout. In a fresh process the same model gives the same
    bytes, with the same version of TensorFlow.
    """
    shutil.rmtree(folder, ignore_errors=True)
    specs = {name: tf.TensorSpec(value.shape, value.dtype, name=name) for name, value in model.input.items()}

    def serve(**inputs: Any) -> dict[str, Any]:
        outputs: dict[str, Any] = model(inputs, training=False)
        return outputs

    module = tf.Module(name=model.name)
    module.weights = [variable.value for variable in model.trainable_variables]
    module.serve = tf.function(serve, input_signature=None).get_concrete_function(**specs)
    tf.saved_model.save(module, folder, signatures={"serving_default": module.serve})
    os.remove(os.path.join(folder, _FINGERPRINT))
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.listdir(path):
            os.rmdir(path)  # assets/, of which there are none
