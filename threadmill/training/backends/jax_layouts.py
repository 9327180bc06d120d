"""How weights and batches lie on a mesh of devices, for Keras on JAX."""

import re
from typing import Any

import jax
import keras
import numpy as np

from threadmill.training.backends.backend import Devices
from threadmill.training.config import TrainingConfig

BATCH_AXIS, MODEL_AXIS = "batch", "model"

# By a variable's path: the axes that may be shared out, the best one first. Heads and the inner width of the feed-forward
# layers as Megatron-LM does (Shoeybi et al. 2019), so that a layer needs one sum over the devices for each of its halves;
# of embeddings the vocabulary, or the width where the devices do not share that evenly. All else is on each device.
_SHARED_AXES = (
    (r".*attention.*/(query|key|value)/kernel", (1, 2)),
    (r".*attention.*/(query|key|value)/bias", (0, 1)),
    (r".*attention_output/kernel", (0, 1)),
    (r".*feedforward_intermediate_dense/kernel", (1,)),
    (r".*feedforward_intermediate_dense/bias", (0,)),
    (r".*feedforward_output_dense/kernel", (0,)),
    (r".*token_embedding/embeddings", (0, 1)),
)


def make_distribution(config: TrainingConfig, devices: Devices, copies: int) -> Any:
    """Keras's distribution over ``devices``, which hold ``copies`` of the model; None for one device, which needs none."""
    if devices.count == 1:
        return None
    names = np.array([f"{device.platform}:{device.id}" for device in jax.local_devices()[: devices.count]])
    if config.distribution != "model":
        mesh = keras.distribution.DeviceMesh((devices.count,), [BATCH_AXIS], names)
        return keras.distribution.DataParallel(device_mesh=mesh)
    shape = (copies, devices.count // copies)
    mesh = keras.distribution.DeviceMesh(shape, [BATCH_AXIS, MODEL_AXIS], names.reshape(shape))
    return SharedWeights(layout_map=keras.distribution.LayoutMap(mesh), batch_dim_name=BATCH_AXIS)


class SharedWeights(keras.distribution.ModelParallel):  # type: ignore[misc]
    """Model parallelism by `_SHARED_AXES`, which a LayoutMap cannot say: it depends on a variable's shape too."""

    def get_variable_layout(self, variable: Any) -> Any:
        """Where ``variable`` lies; an optimizer's variables lie as those that they belong to."""
        known = getattr(variable, "_layout", None)
        if known is not None:
            return known
        axes = shared_axes(variable.path, tuple(variable.shape), self.device_mesh.shape[1])
        return keras.distribution.TensorLayout(axes, self.device_mesh)


def shared_axes(path: str, shape: tuple[int, ...], devices: int) -> list[str | None]:
    """For each axis of a variable the name of the mesh's axis that shares it out, or None."""
    candidates = next((axes for pattern, axes in _SHARED_AXES if re.fullmatch(pattern, path)), ())
    shared = next((axis for axis in candidates if shape[axis] % devices == 0), None)
    return [MODEL_AXIS if axis == shared else None for axis in range(len(shape))]
