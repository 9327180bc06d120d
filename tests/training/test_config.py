from dataclasses import replace
from typing import Any

import pytest

from threadmill.errors import ConfigError
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.models.presets import PRESETS


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"model": "bert-huge"}, "model is 'bert-huge'; use one of bert-tiny"),
        ({"steps": 0}, "steps is 0; it must be 1 or more"),
        ({"batch_size": -4}, "batch_size is -4"),
        ({"batch_size": 1.5}, "batch_size is 1.5; it must be a whole number"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; it must be a number"),
        ({"steps": 50, "warmup_steps": 50}, "warmup_steps is 50, with 50 steps in all"),
        ({"weight_decay": 2}, "weight_decay is 2"),
        ({"clip_norm": 0}, "clip_norm is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"seed": 2**31}, "seed is 2147483648"),
    ],
)
def test_nonsense_is_refused_with_what_is_wanted(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        TrainingConfig(**wrong)

    assert str(error.value).startswith(told)


def test_rate_and_warm_up_default_to_the_models_own_and_a_tenth_of_the_run() -> None:
    config = TrainingConfig(model="bert-base", steps=1000)

    assert (config.peak_learning_rate, config.warmup) == (1e-4, 100)
    assert (TrainingConfig(model="qarib").peak_learning_rate, TrainingConfig(model="qarib").warmup) == (8e-5, 10)
    allegro = TrainingConfig(model="allegro-roberta", steps=1000)
    assert (allegro.peak_learning_rate, allegro.warmup) == (5e-4, 100)
    assert TrainingConfig(model="allegro-roberta", steps=100).warmup == 10  # its own would be the whole run
    tiny = TrainingConfig(model="bert-tiny", steps=5)
    assert (tiny.warmup, replace(tiny, warmup_steps=3).warmup) == (0, 3)


def test_checkpoints_are_ten_a_run_and_every_thousand_steps_in_a_long_one() -> None:
    intervals = [CheckpointConfig().interval(steps) for steps in (5, 300, 2_000_000)]

    assert intervals == [1, 30, 1000]
    assert CheckpointConfig(save_every=7).interval(300) == 7


def test_limits_of_checkpoints_and_evaluation() -> None:
    with pytest.raises(ConfigError, match="keep is 0; it must be 1 or more"):
        CheckpointConfig(keep=0)
    with pytest.raises(ConfigError, match="eval_batch_size is 0"):
        EvaluationConfig(eval_batch_size=0)


def test_a_models_own_dimensions_give_way_to_those_that_are_set() -> None:
    config = TrainingConfig(num_layers=3, hidden_dim=96).resolved("bert")
    assert (config.preset.num_layers, config.preset.hidden_dim, config.preset.num_heads) == (3, 96, 2)
    assert config.preset.intermediate_dim == 384
    assert TrainingConfig().resolved("bert").preset == PRESETS["bert-tiny"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 3}, r"hidden_dim is 128, which 3 heads \(num_heads\) do not share evenly"),
        ({"encoder_layers": 3}, "encoder_layers is 3, and only an encoder-decoder has an encoder"),
    ],
)
def test_dimensions_that_no_model_can_have_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainingConfig(**settings).resolved("causal")
