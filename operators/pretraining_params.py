"""The half of the trigger form that all DAGs share: vocabulary, records and training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Param

from operators.form import optional_params, setting_params, settings_named
from threadmill.config import Setting, pick_settings, settings_of
from threadmill.pretraining.config import CONFIGS, RecordsConfig
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.vocab.config import VocabularyConfig

# In the form one name means one thing: these occur in several configs, or would say too little there.
_TRAINING_NAMES = {"seed": "training_seed"}
_VOCABULARY_NAMES = {"kind": "vocab_kind", "form": "vocab_form"}
_VOCABULARY = ("kind", "form", "vocab_size", "lowercase", "sample_lines")


@dataclass(frozen=True)
class PretrainingConfigs:
    """The configs of the stages from a corpus to a model, checked themselves."""

    vocabulary: VocabularyConfig
    records: RecordsConfig
    training: TrainingConfig
    checkpoints: CheckpointConfig
    evaluation: EvaluationConfig


def pretraining_configs(params: Mapping[str, Any]) -> PretrainingConfigs:
    """The configs that a run's params ask for.

    Raises:
        ConfigError: a value outside its limits.
    """
    training = {name: params[form] for name, form in _training_names().items()}
    vocabulary = {name: params[_VOCABULARY_NAMES.get(name, name)] for name in _VOCABULARY}
    records = CONFIGS[params["objective"]]
    return PretrainingConfigs(
        vocabulary=VocabularyConfig(**vocabulary),
        records=records(**pick_settings(records, params)),
        training=TrainingConfig(**training),
        checkpoints=CheckpointConfig(**pick_settings(CheckpointConfig, params)),
        evaluation=EvaluationConfig(),
    )


def pretraining_params() -> dict[str, Param]:
    """The sections Vocabulary, Records and Training."""
    settings = _records_settings()
    return {
        **setting_params("Vocabulary", settings_named(VocabularyConfig, _VOCABULARY), _VOCABULARY_NAMES),
        "rebuild_vocabulary": Param(
            False, type="boolean", title="rebuild_vocabulary", section="Vocabulary",
            description="Make a new vocabulary of this run instead of using the newest there is",
        ),
        "objective": Param(
            "bert", type="string", enum=list(CONFIGS), title="objective", section="Records",
            description="What the records, and so the model, learn",
        ),
        **optional_params("Records", list(settings.values()), {name: _defaults(name) for name in settings}),
        **setting_params("Training", settings_of(TrainingConfig), _TRAINING_NAMES),
        **setting_params("Training", settings_of(CheckpointConfig)),
    }  # fmt: skip


def _records_settings() -> dict[str, Setting]:
    """The settings of all objectives, each once."""
    return {setting.name: setting for config in reversed(CONFIGS.values()) for setting in settings_of(config)}


def _defaults(name: str) -> str:
    """What an empty field means: each objective's own default, where it has the setting."""
    found = {
        objective: setting.default
        for objective, config in CONFIGS.items()
        for setting in settings_of(config)
        if setting.name == name
    }
    values = {repr(value) for value in found.values()}
    if len(values) == 1 and len(found) == len(CONFIGS):
        return f"default {_shown(next(iter(found.values())))}"
    return "; ".join(f"{objective}: {_shown(value)}" for objective, value in found.items())


def _shown(value: Any) -> str:
    return str(value) if value != "" else "none"


def _training_names() -> dict[str, str]:
    return {setting.name: _TRAINING_NAMES.get(setting.name, setting.name) for setting in settings_of(TrainingConfig)}
