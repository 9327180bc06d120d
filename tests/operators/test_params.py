"""From the trigger form to the configs of the stages."""

from dataclasses import fields
from typing import Any

import pytest

from operators.params import Configs, picked, reddit_params
from tests.operators.contexts import form
from threadmill.conversations.config import PRESETS, ConversationsConfig, ThreadsConfig
from threadmill.conversations.limits import ConversationLimits
from threadmill.corpora.limits import CommentLimits
from threadmill.errors import ConfigError
from threadmill.pretraining.config import BertConfig
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.vocab.config import VocabularyConfig

# What no stage's config depends on: the plan and the vocabulary's operator look at these themselves.
OF_THE_RUN = {"source", "sample_comments", "lookback_months", "preset", "rebuild_vocabulary"}
# Another value for each of the others.
OTHERS: dict[str, dict[str, Any]] = {
    "threads": {
        "month": "2005-12",
        "train_split": 0.7,
        "validation_split": 0.2,
        "test_split": 0.1,
        "num_shards_train": 7,
        "num_shards_validation": 2,
        "num_shards_test": 3,
    },
    "conversations": {"parent_depth": 3, "max_length": 200, "min_length": 1, "format": "jsonl"},
    "comment_limits": {"max_tombstone_rate": 0.25},
    "conversation_limits": {"min_examples": 10, "min_yield": 0.5},
    "vocabulary": {"vocab_size": 500, "lowercase": False, "sample_lines": 99},
    "records": {
        "max_seq_length": 64,
        "max_predictions_per_seq": 9,
        "masked_lm_prob": 0.2,
        "short_seq_prob": 0.0,
        "dupe_factor": 2,
        "random_seed": 5,
    },
    "training": {
        "model": "bert-mini",
        "steps": 1000,
        "batch_size": 8,
        "learning_rate": 0.003,
        "warmup_steps": 17,
        "weight_decay": 0.02,
        "clip_norm": 0.5,
        "dropout": 0.0,
        "training_seed": 9,
        "jit_compile": True,
    },
    "checkpoints": {"save_every": 50, "keep": 2},
}


def test_the_form_as_it_opens_asks_for_the_defaults_of_every_stage() -> None:
    assert picked(form()) == Configs(
        ThreadsConfig(),
        ConversationsConfig(),
        VocabularyConfig(),
        BertConfig(),
        TrainingConfig(),
        CheckpointConfig(),
        EvaluationConfig(),
        CommentLimits(),
        ConversationLimits(),
    )


def test_the_preset_governs_what_is_left_empty() -> None:
    polyai = PRESETS["polyai"]
    configs = picked(form(preset="polyai"))
    assert (configs.threads, configs.conversations) == (polyai.threads, polyai.conversations)
    assert configs.threads.test_split == 0.1
    changed = picked(form(preset="polyai", parent_depth=2, train_split=0.8, test_split=0.2))
    assert changed.conversations.parent_depth == 2
    assert not changed.conversations.cut_at_tombstones
    assert (changed.threads.train_split, changed.threads.validation_split, changed.threads.test_split) == (0.8, 0.0, 0.2)
    assert changed.threads.split_rule == "polyai"


@pytest.mark.parametrize("part", OTHERS)
def test_each_value_of_the_form_arrives_in_its_config_and_in_no_other(part: str) -> None:
    before, after = picked(form()), picked(form(**OTHERS[part]))
    for name, value in OTHERS[part].items():
        setting = {"training_seed": "seed"}.get(name, name)
        assert getattr(getattr(before, part), setting) != value
        assert getattr(getattr(after, part), setting) == value
    differing = {entry.name for entry in fields(Configs) if getattr(before, entry.name) != getattr(after, entry.name)}
    assert differing == ({part, "comment_limits"} if "month" in OTHERS[part] else {part})


def test_no_value_of_the_form_is_left_out_above() -> None:
    assert {name for values in OTHERS.values() for name in values} == set(reddit_params()) - OF_THE_RUN


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"train_split": 0.5},
            "the splits do not add up to 1: train 0.5 + validation 0.05 + test 0.05 = 0.6; change one",
        ),
        ({"max_length": 5}, "max_length is 5; it must be at least min_length"),
        ({"warmup_steps": 300}, "warmup_steps is 300, with 300 steps in all; set less, such as a tenth"),
        ({"max_seq_length": 16}, "max_predictions_per_seq is 20, more than max_seq_length 16"),
        ({"masked_lm_prob": 0}, "masked_lm_prob is 0, so that there is nothing to learn; 0.15 is usual"),
        ({"min_yield": 2}, "min_yield is 2.0 and max_yield 1.0; swap them"),
    ],
)
def test_values_that_do_not_go_together_are_told_with_the_remedy(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        picked(form(**values))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
