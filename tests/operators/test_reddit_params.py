"""From the trigger form of reddit_refresh to the configs of its stages."""

from dataclasses import fields
from typing import Any

import pytest

from operators.pretraining_params import PretrainingConfigs, pretraining_configs
from operators.reddit_params import Configs, picked, reddit_params
from tests.operators.contexts import form
from threadmill.config import Setting, settings_of
from threadmill.conversations.config import PRESETS
from threadmill.conversations.limits import ConversationLimits
from threadmill.corpora.limits import CommentLimits
from threadmill.corpora.reddit.config import IngestConfig, TablesConfig
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.errors import ConfigError
from threadmill.pretraining.config import CONFIGS, BertConfig
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.export.formats import ExportConfig
from threadmill.vocab.config import VocabularyConfig

# What no config depends on: the plan and the vocabulary's operator look at these themselves.
OF_THE_RUN = {
    "allow_partial",
    "budget",
    "unattended",
    "ledger",
    "source",
    "submissions",
    "sample_comments",
    "lookback_months",
    "preset",
    "rebuild_vocabulary",
    "continue_training",
    "objective",
}
FORM_NAMES = {
    ("training", "seed"): "training_seed",
    ("tables", "dataset"): "table_dataset",
    ("tables", "pattern"): "table_pattern",
    ("tables", "month"): "",  # the run's
    ("vocabulary", "kind"): "vocab_kind",
    ("vocabulary", "form"): "vocab_form",
    ("vocabulary", "seed"): "",  # not asked for
    ("export", "to"): "export_to",
    ("export", "language"): "model_language",
    ("export", "license"): "model_license",
    ("export", "cased"): "",  # the vocabulary says so itself
}
# Values that go together, or have a form of their own.
GIVEN = {
    **{"train_split": 0.7, "validation_split": 0.2, "test_split": 0.1},
    **{"min_tombstone_rate": 0.1, "max_tombstone_rate": 0.6, "languages": "en", "max_words": 9, "min_words": 2},
    **{"blocklist": __file__, "rules": f"{__file__}:form"},
    **{"kind": "sentencepiece-bpe", "form": "sentencepiece", "batch_size": 64},
    **{"language": "en", "license": "mit"},
}
PARTS = [entry.name for config in (Configs, PretrainingConfigs) for entry in fields(config)]


def configs_of(params: dict[str, Any]) -> dict[str, Any]:
    """All configs of a run, by name."""
    both = (picked(params), pretraining_configs(params))
    return {entry.name: getattr(configs, entry.name) for configs in both for entry in fields(configs)}


def another(setting: Setting) -> Any:
    """A value that is allowed, but not the default."""
    if setting.name in GIVEN:
        return GIVEN[setting.name]
    if setting.choices:
        return next(choice for choice in setting.choices if choice != setting.default)
    if isinstance(setting.default, bool):
        return not setting.default
    if isinstance(setting.default, str):
        return "2005-12"
    return setting.default + 1 if isinstance(setting.default, int) else setting.default / 2 or 0.5


def other_values(part: str) -> dict[str, Any]:
    """Another value for each setting of a config that the form asks for, by its name in the config."""
    config, asked = configs_of(form())[part], reddit_params()
    return {
        entry.name: another(entry) for entry in settings_of(config) if FORM_NAMES.get((part, entry.name), entry.name) in asked
    }


def by_form_name(part: str, values: dict[str, Any]) -> dict[str, Any]:
    return {FORM_NAMES.get((part, name), name): value for name, value in values.items()}


def test_the_form_as_it_opens_asks_for_the_defaults_of_every_stage() -> None:
    assert picked(form()) == Configs(
        IngestConfig(),
        TablesConfig(),
        PRESETS["default"].threads,
        PRESETS["default"].conversations,
        DeduplicationConfig(deduplication="exact"),
        CommentLimits(),
        ConversationLimits(),
    )
    assert pretraining_configs(form()) == PretrainingConfigs(
        VocabularyConfig(), BertConfig(), TrainingConfig(), CheckpointConfig(), EvaluationConfig(), ExportConfig(to="huggingface")
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


@pytest.mark.parametrize("part", PARTS)
def test_each_value_of_the_form_arrives_in_its_config_and_in_no_other(part: str) -> None:
    values = other_values(part)
    before, after = configs_of(form()), configs_of(form(**by_form_name(part, values)))
    for name, value in values.items():
        assert getattr(before[part], name) != value
        assert getattr(after[part], name) == value
    differing = {entry for entry in PARTS if before[entry] != after[entry]}
    assert differing - {"threads", "comment_limits"} - {"ingest", "tables"} <= {part}, (
        "the month, the bound of bad lines: of both"
    )
    assert (part in differing) == bool(values)


def test_no_value_of_the_form_is_left_out_above() -> None:
    tried = {name for part in PARTS for name in by_form_name(part, other_values(part))}
    other_objectives = {setting.name for config in CONFIGS.values() for setting in settings_of(config)}
    assert tried | other_objectives == set(reddit_params()) - OF_THE_RUN


@pytest.mark.parametrize("objective", list(CONFIGS))
def test_the_records_config_is_the_objectives_with_its_own_defaults(objective: str) -> None:
    assert pretraining_configs(form(objective=objective)).records == CONFIGS[objective]()


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
        configs_of(form(**values))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
