"""The half of the trigger form that all DAGs share: vocabulary, records and training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow.sdk import Param

from operators.form import optional_params, setting_params, settings_named
from threadmill.config import Setting, pick_settings, settings_of
from threadmill.errors import ConfigError
from threadmill.pretraining.config import CONFIGS, RecordsConfig
from threadmill.recipes import find_recipe
from threadmill.settings import get_settings
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.export.formats import HUGGING_FACE, ExportConfig
from threadmill.vocab.config import VocabularyConfig

# In the form one name means one thing: these occur in several configs, or would say too little there.
_TRAINING_NAMES = {"seed": "training_seed"}
_VOCABULARY_NAMES = {"kind": "vocab_kind", "form": "vocab_form"}
_VOCABULARY = ("kind", "form", "vocab_size", "lowercase", "sample_lines")
_EXPORT_NAMES = {"to": "export_to", "language": "model_language", "license": "model_license"}
_EXPORT = settings_named(ExportConfig(to=HUGGING_FACE), tuple(_EXPORT_NAMES))
_EVALUATION = ("max_sequences", "ranking_candidates", "ranking_contexts")


@dataclass(frozen=True)
class PretrainingConfigs:
    """The configs of the stages from a corpus to a model, checked themselves."""

    vocabulary: VocabularyConfig
    records: RecordsConfig
    training: TrainingConfig
    checkpoints: CheckpointConfig
    evaluation: EvaluationConfig
    export: ExportConfig


def pretraining_configs(params: Mapping[str, Any]) -> PretrainingConfigs:
    """The configs that a run's params ask for: of its recipe, where the form has one, with what was given instead.

    Raises:
        ConfigError: a value outside its limits.
    """
    recipe = find_recipe(params.get("recipe", "default"))
    return PretrainingConfigs(
        vocabulary=_vocabulary(recipe.vocabulary, _given(params, _VOCABULARY, _VOCABULARY_NAMES)),
        records=_records(recipe.records, params),
        training=_training(recipe.training, _given(params, _names(TrainingConfig), _TRAINING_NAMES)),
        checkpoints=replace(recipe.checkpoints, **pick_settings(CheckpointConfig, params)),
        evaluation=EvaluationConfig(**pick_settings(EvaluationConfig, params)),
        export=ExportConfig(**_given(params, tuple(_EXPORT_NAMES), _EXPORT_NAMES)),
    )


def _vocabulary(config: VocabularyConfig, given: Mapping[str, Any]) -> VocabularyConfig:
    form = "" if "kind" in given else config.form  # which is another kind's
    return replace(config, **{"form": form, **given})


def _training(config: TrainingConfig, given: Mapping[str, Any]) -> TrainingConfig:
    made = replace(_fit_for_trainer(config), **given)
    if _trainer() == "tpu" and made.backend != "jax":
        raise ConfigError(
            f"backend is {made.backend}, and on Cloud TPU only jax computes on the TPU; set backend to jax, or "
            "THREADMILL_TRAINER to local or vertex"
        )
    return made


def _fit_for_trainer(config: TrainingConfig) -> TrainingConfig:
    """With the backend that computes where this deployment trains: elsewhere that is on TPUs, where nothing else was set."""
    return config if _trainer() == "local" else replace(config, backend="jax")


def _trainer() -> str:
    return get_settings().runs_on[2]


def _records(config: RecordsConfig, params: Mapping[str, Any]) -> RecordsConfig:
    kind = CONFIGS[params["objective"] or config.objective]
    given = pick_settings(kind, params)
    return replace(config, **given) if isinstance(config, kind) else kind(**given)


def _given(params: Mapping[str, Any], names: Sequence[str], forms: Mapping[str, str]) -> dict[str, Any]:
    """The values that are not empty, by the settings' own names."""
    values = {name: params[forms.get(name, name)] for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _names(config: type) -> list[str]:
    return [setting.name for setting in settings_of(config)]


def pretraining_params(*, from_recipe: bool = False) -> dict[str, Param]:
    """The sections Vocabulary, Records, Training, Evaluation and Export.

    Args:
        from_recipe: every field may be left empty, for the recipe's value.
    """
    records = list(_records_settings().values())
    vocabulary = settings_named(VocabularyConfig, _VOCABULARY)
    if from_recipe:
        objective = Param(
            None, type=["null", "string"], enum=[*CONFIGS, None], title="objective", section="Records",
            description="What the records, and so the model, learn (empty: the recipe's)",
        )  # fmt: skip
        return {
            **optional_params("Vocabulary", vocabulary, _recipes(vocabulary), _VOCABULARY_NAMES),
            "objective": objective,
            **optional_params("Records", records, _recipes(records)),
            **optional_params("Training", settings_of(TrainingConfig), _recipes(settings_of(TrainingConfig)), _TRAINING_NAMES),
            **optional_params("Training", settings_of(CheckpointConfig), _recipes(settings_of(CheckpointConfig))),
            **_closing_params(),
        }
    return {
        **setting_params("Vocabulary", vocabulary, _VOCABULARY_NAMES),
        "rebuild_vocabulary": Param(
            False, type="boolean", title="rebuild_vocabulary", section="Vocabulary",
            description="Make a new vocabulary of this month instead of using the newest there is",
        ),
        "objective": Param(
            "bert", type="string", enum=list(CONFIGS), title="objective", section="Records",
            description="What the records, and so the model, learn",
        ),
        **optional_params("Records", records, {setting.name: _defaults(setting.name) for setting in records}),
        **setting_params("Training", settings_of(_fit_for_trainer(TrainingConfig())), _TRAINING_NAMES),
        "continue_training": Param(
            False, type="boolean", title="continue_training", section="Training",
            description="Begin with the weights of the month before's model, where there is one, instead of random ones",
        ),
        **setting_params("Training", settings_of(CheckpointConfig)),
        **_closing_params(),
    }  # fmt: skip


def _closing_params() -> dict[str, Param]:
    """The sections that no recipe tells."""
    return {
        **setting_params("Evaluation", settings_named(EvaluationConfig, _EVALUATION)),
        **setting_params("Export", _EXPORT, _EXPORT_NAMES),
    }


def _recipes(settings: Sequence[Setting]) -> dict[str, str]:
    return {setting.name: "empty: the recipe's" for setting in settings}


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
