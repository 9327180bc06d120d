"""Published recipes as settings."""

import pytest

from threadmill.errors import ConfigError
from threadmill.recipes import RECIPES, find_recipe


def test_qaribs_numbers_are_those_of_the_paper() -> None:
    recipe = RECIPES["qarib"]
    assert (recipe.vocabulary.vocab_size, recipe.vocabulary.sample_lines, recipe.corpus.shard_lines) == (
        64_000,
        5_000_000,
        512_000,
    )
    assert (recipe.records.max_seq_length, recipe.records.max_predictions_per_seq) == (64, 20)  # type: ignore[attr-defined]
    assert (recipe.training.batch_size, recipe.training.steps, recipe.training.peak_learning_rate) == (64, 2_000_000, 8e-5)
    assert (recipe.checkpoints.save_every, recipe.checkpoints.keep) == (100_000, 20)


def test_a_recipe_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match="there is no recipe 'gpt'; use one of default, bert, qarib, allegro"):
        find_recipe("gpt")
