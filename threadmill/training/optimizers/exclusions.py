"""Which weights are neither decayed nor, by LAMB, scaled layer by layer: biases, and the scales and offsets of layer norms."""

from collections.abc import Iterable
from typing import Any

# The last part of a variable's path in Keras's and KerasHub's layers; as in google-research/bert, optimization.py.
_EXCLUDED = {"bias", "output_bias", "gamma", "beta"}


def excluded(variables: Iterable[Any]) -> list[Any]:
    """Those of ``variables`` (keras.Variable) that are left out."""
    return [variable for variable in variables if variable.name in _EXCLUDED]
