"""AdamW (Loshchilov & Hutter 2019) as BERT uses it."""

from typing import Any

import keras

from threadmill.training.config import TrainingConfig
from threadmill.training.optimizers.exclusions import excluded

EPSILON = 1e-6  # BERT's, google-research/bert, optimization.py


def adamw(config: TrainingConfig, schedule: Any, variables: list[Any]) -> Any:
    """AdamW for ``variables``, not built yet; its betas are 0.9 and 0.999.

    Epsilon is added to the root of the second moment as it is, as in BERT's own optimizer, and not to that corrected for its
    bias, as in PyTorch's: there it would be epsilon / sqrt(1 - 0.999 ** t) in update t, 32 times as much in the first one.
    """
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, epsilon=EPSILON, name="adamw")
    optimizer.exclude_from_weight_decay(var_list=excluded(variables))
    return optimizer
