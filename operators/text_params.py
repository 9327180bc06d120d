"""The trigger form of text_corpus: a recipe, and every setting that may depart from it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow.sdk import Param

from operators.budget import budget_params
from operators.form import optional_params
from operators.pretraining_params import pretraining_params
from operators.sample import SAMPLE
from threadmill.config import pick_settings, settings_of
from threadmill.corpora.text.config import CorpusConfig
from threadmill.recipes import RECIPES, find_recipe
from threadmill.settings import get_settings


def corpus_config(params: Mapping[str, Any]) -> CorpusConfig:
    """The corpus's settings that a run's params ask for.

    Raises:
        ConfigError: a value outside its limits.
    """
    config = find_recipe(params["recipe"]).corpus
    if text_source(params) == SAMPLE:
        config = replace(config, format="jsonl", field="body")
    return replace(config, **pick_settings(CorpusConfig, params))


def text_source(params: Mapping[str, Any]) -> str:
    """Where the text is: as the form tells, or the deployment."""
    return str(params["source"] or get_settings().text_source)


def text_params() -> dict[str, Param]:
    """The form of text_corpus. Defaults are constant, so that parsing again makes no new version of the DAG."""
    section, corpus = "Source", settings_of(CorpusConfig)
    return {
        "name": Param(
            "corpus", type="string", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", title="name", section=section,
            description="The corpus's name: the folder below THREADMILL_ROOT/text that everything goes to",
        ),
        "source": Param(
            None, type=["null", "string"], title="source", section=section,
            description="Text files or folders of them, several with commas; or 'sample', the sample world's comments. "
            "Empty: THREADMILL_TEXT_SOURCE",
        ),
        "recipe": Param(
            "default", type="string", enum=list(RECIPES), title="recipe", section=section,
            description="The settings of all stages that are left empty below. "
            + "; ".join(f"{name}: {recipe.description}" for name, recipe in RECIPES.items()),
        ),
        "sample_comments": Param(
            20_000, type="integer", minimum=1, title="sample_comments", section=section,
            description="Comments of the sample world, where the source is 'sample'",
        ),
        "allow_partial": Param(
            False, type="boolean", title="allow_partial", section=section,
            description="Go on with datasets that were made from incomplete input; all that is made of them is marked partial",
        ),
        **optional_params("Corpus", corpus, {setting.name: "empty: the recipe's" for setting in corpus}),
        **pretraining_params(from_recipe=True),
        **budget_params(),
    }  # fmt: skip
