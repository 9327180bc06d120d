"""Compiles a function of Keras operations with the library that Keras runs on, for inference."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import keras


def compiled(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., Any]:
    """``function``, compiled once for each new set of shapes; arrays and tensors in, tensors out.

    Args:
        function: of arrays, made of Keras operations and layers; it changes no variable.
        variables: all that it reads. Their values are those of the moment of each call.
    """
    if keras.backend.backend() == "jax":
        return _compiled_by_jax(function, variables)
    tensorflow = importlib.import_module("tensorflow")
    by_tensorflow: Callable[..., Any] = tensorflow.function(function, reduce_retracing=True, autograph=False)
    return by_tensorflow


def _compiled_by_jax(function: Callable[..., Any], variables: Sequence[Any]) -> Callable[..., Any]:
    jax = importlib.import_module("jax")

    def pure(values: list[Any], arguments: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*arguments)

    by_jax = jax.jit(pure)
    return lambda *arguments: by_jax([variable.value for variable in variables], arguments)
