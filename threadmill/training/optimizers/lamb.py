"""LAMB (You et al. 2020, arXiv:1904.00962, algorithm 2), for large batches; on TensorFlow, also distributed, and on JAX."""

from typing import Any

import keras
from keras import ops

from threadmill.training.config import TrainingConfig
from threadmill.training.optimizers.exclusions import excluded

EPSILON = 1e-6  # the paper's


@keras.saving.register_keras_serializable(package="threadmill")  # type: ignore[untyped-decorator]
class Lamb(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Adam's step r, and the weight decay with it, scaled for each variable x by the trust ratio ||x|| / ||r + decay x||.

    `keras.optimizers.Lamb` decays weights besides, by the whole rate, which the paper does not: there the decay is part of what
    the ratio scales, and of the norm that it is taken from. The paper's phi is the identity, as in its experiments; where a
    norm is 0 the ratio is 1. Variables given to `exclude_from_weight_decay` are not decayed, and their ratio is 1: biases and
    layer norms, as in the authors' code.

    Args:
        learning_rate: the rate, or a schedule of it.
        weight_decay: lambda in the paper.
        beta_1, beta_2: of the moments, both corrected for their bias.
        epsilon: added to the root of the second moment.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = EPSILON,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, **settings)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables: list[Any]) -> None:
        """Adds two moments a variable: ``momentum`` and ``velocity``, of its shape."""
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(variables, ["momentum", "velocity"])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its moments."""
        kind = variable.dtype
        rate, gradient = ops.cast(learning_rate, kind), ops.cast(ops.convert_to_tensor(gradient, sparse=False), kind)
        index = self._get_variable_index(variable)
        first, second = self._momentums[index], self._velocities[index]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        step = ops.cast(self.iterations + 1, kind)
        first_unbiased = first / (1 - ops.power(ops.cast(self.beta_1, kind), step))
        second_unbiased = second / (1 - ops.power(ops.cast(self.beta_2, kind), step))
        update = first_unbiased / (ops.sqrt(second_unbiased) + self.epsilon)
        if self._use_weight_decay(variable):
            update = update + self.weight_decay * variable
            update = _trust_ratio(variable, update) * update
        self.assign_sub(variable, rate * update)

    def _apply_weight_decay(self, variables: list[Any]) -> None:
        """Nothing: Keras would decay before the update, and here the decay is part of it."""

    def get_config(self) -> dict[str, Any]:
        """For serialisation."""
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


def _trust_ratio(variable: Any, update: Any) -> Any:
    weights, step = (ops.sqrt(ops.sum(ops.square(values))) for values in (variable, update))
    nonzero = ops.logical_and(weights > 0, step > 0)
    return ops.where(nonzero, weights / ops.where(nonzero, step, 1.0), 1.0)


def lamb(config: TrainingConfig, schedule: Any, variables: list[Any]) -> Any:
    """LAMB for ``variables``, not built yet; its betas are 0.9 and 0.999."""
    optimizer = Lamb(schedule, weight_decay=config.weight_decay, name="lamb")
    optimizer.exclude_from_weight_decay(var_list=excluded(variables))
    return optimizer
