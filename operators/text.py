"""Operators of text corpora: plan the run, make the corpus."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from operators.base import StageOperator
from operators.library import library_calls
from operators.pretraining_params import pretraining_configs
from operators.sample import SAMPLE, sample_dump
from operators.templates import listed
from operators.text_params import corpus_config, text_source
from threadmill.datasets.storage import exists, join
from threadmill.errors import InputError
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.engine.stage import Stage

log = logging.getLogger(__name__)

_SAMPLE_MONTH = "2006-01"
_DATASETS = ("corpus", "vocabulary", "records", "model", "evaluation", "export", "report")


class PlanTextCorpus(BaseOperator):
    """Says what the corpus is made of, and where each dataset goes; checks every setting first.

    Returns:
        {"sources", and one URI a dataset}.
    """

    ui_color = "#fef7e0"

    def execute(self, context: "Context") -> dict[str, Any]:
        """Resolves the params."""
        params = context["params"]
        with library_calls():
            settings = get_settings()
            corpus_config(params)  # a wrong setting is found here, not hours later
            pretraining_configs(params)
            sources = _resolve_sources(params)
        folder = join(settings.root, "text", params["name"])
        log.info("plan: %s to %s, recipe %s", ", ".join(sources), folder, params["recipe"])
        return {"sources": sources, **{name: join(folder, name) for name in _DATASETS}}


def _resolve_sources(params: Mapping[str, Any]) -> list[str]:
    source = text_source(params)
    if source == SAMPLE:
        return [sample_dump(params["sample_comments"], _SAMPLE_MONTH)]
    sources = [part for name in source.split(",") if (part := name.strip())]
    for uri in sources:
        if not exists(uri) and not uri.startswith(("http://", "https://")):
            raise InputError(f"{uri} does not exist; name text files or folders of them in source")
    return sources


class CorpusOperator(StageOperator):
    """Sources of text to a corpus: normalised, one sentence a line, split for training and validation.

    Args:
        sources: files and folders.
    """

    template_fields: Sequence[str] = ("uri", "sources")

    def __init__(self, *, sources: Sequence[str] | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sources = sources

    def make_stage(self, context: "Context") -> "Stage":
        """The corpus stage."""
        from threadmill.corpora.text.stage import CorpusStage

        return CorpusStage(listed(self.sources), corpus_config(context["params"]))
