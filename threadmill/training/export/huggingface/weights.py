"""The weights of a Keras model by name, taken one after the other into the layout of PyTorch's modules."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from threadmill.errors import InputError

Weight = npt.NDArray[np.float32]
Tensors = dict[str, Weight]

# Activations of Keras and KerasHub, by the names that transformers has for the same functions.
_ACTIVATIONS = {"gelu": "gelu", "gelu_approximate": "gelu_new", "relu": "relu"}


class KerasWeights:
    """The float weights of a model, each by its layer's name and its path in that: ``masked_lm/output_bias``.

    PyTorch's ``Linear`` has its weight as [output, input], Keras's kernels are [input, output], and those of attention
    [width, heads, width of a head], or [heads, width of a head, width] where the heads' outputs come together.
    """

    def __init__(self, weights: Mapping[str, Weight]) -> None:
        self._weights = dict(weights)
        self._left = set(weights)

    @classmethod
    def of(cls, model: Any) -> "KerasWeights":
        """Those of a keras.Model. A layer's name begins them, whatever stood around it when the model was built."""
        found = {}
        for layer in model.layers:
            for variable in layer.trainable_variables:
                place = f"/{variable.path}".find(f"/{layer.name}/")
                if place >= 0:  # it is the layer's own: an embedding is its head's, too
                    found[variable.path[place:]] = variable.numpy().astype(np.float32)
        assert len(found) == len(model.trainable_variables)
        return cls(found)

    def __contains__(self, path: str) -> bool:
        return path in self._weights

    def take(self, path: str) -> Weight:
        """The weight at ``path``, as it is."""
        self._left.discard(path)
        return self._weights[path]

    def look(self, path: str) -> Weight:
        """As `take`, for a weight whose shape is asked for."""
        return self._weights[path]

    def dense(self, source: str, target: str, *, inputs: int = 1) -> Tensors:
        """A dense layer as a ``Linear``; the first ``inputs`` axes of its kernel are its input's."""
        kernel, bias = self.take(f"{source}/kernel"), self.take(f"{source}/bias")
        matrix = kernel.reshape(int(np.prod(kernel.shape[:inputs])), -1)
        return {f"{target}.weight": np.ascontiguousarray(matrix.T), f"{target}.bias": bias.reshape(-1)}

    def norm(self, source: str, target: str) -> Tensors:
        """A layer norm."""
        return {f"{target}.weight": self.take(f"{source}/gamma"), f"{target}.bias": self.take(f"{source}/beta")}

    def attention(self, source: str, targets: tuple[str, str, str, str]) -> Tensors:
        """A multi-head attention as four ``Linear``: of queries, keys, values and the output."""
        query, key, value, output = targets
        return {
            **self.dense(f"{source}/query", query),
            **self.dense(f"{source}/key", key),
            **self.dense(f"{source}/value", value),
            **self.dense(f"{source}/attention_output", output, inputs=2),
        }

    def count(self, layer: str) -> int:
        """How many layers are named ``layer`` and their number, from 0."""
        names = {path.partition("/")[0] for path in self._weights}
        number = 0
        while f"{layer}{number}" in names:
            number += 1
        return number

    def check_all_taken(self) -> None:
        """Raises InputError where a weight has found no place, for the layout would be another model's."""
        if self._left:
            raise InputError(
                f"the model has weights that Hugging Face's classes have no place for: {', '.join(sorted(self._left))}; "
                "export it to keras or savedmodel"
            )


def activation_name(layer: Any) -> str:
    """transformers' name of a KerasHub layer's activation.

    Raises:
        InputError: it has none.
    """
    name = getattr(layer.activation, "__name__", "")
    if name not in _ACTIVATIONS:
        raise InputError(
            f"the model's activation is {name or layer.activation}, and Hugging Face's layout here knows "
            f"{', '.join(_ACTIVATIONS)}; export it to keras or savedmodel"
        )
    return _ACTIVATIONS[name]
