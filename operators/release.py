"""Operators at a run's end: the report, and the publication of what it made as Airflow assets."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, BaseOperator

from operators.base import StageOperator
from operators.library import library_calls
from operators.reddit_params import picked
from operators.templates import listed
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.engine.stage import Stage


log = logging.getLogger(__name__)


class ReportOperator(StageOperator):
    """The run's report page and dataset card.

    Args:
        datasets: URIs of comments, threads, conversations, vocabulary, records, model and evaluation, by these names.
        lookback: URIs of the comments of the months before that the threads were made from too.
        earlier: URIs of the conversations of the months before.
    """

    template_fields: Sequence[str] = ("uri", "datasets", "lookback", "earlier")
    ui_color = "#f3e8fd"
    work = None

    def __init__(
        self, *, datasets: Mapping[str, Any], lookback: Sequence[str] | str, earlier: Sequence[str] | str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.datasets, self.lookback, self.earlier = datasets, lookback, earlier

    def make_stage(self, context: "Context") -> "Stage":
        """The report stage."""
        from threadmill.reports.config import ReportConfig
        from threadmill.reports.stage import ReportStage

        uris = {f"{name}_uri": uri for name, uri in self.datasets.items()}
        uris["comments_uri"] = (*listed(self.lookback), uris["comments_uri"])
        limits = asdict(picked(context["params"]).conversation_limits)
        return ReportStage(
            **uris, config=ReportConfig(**limits), earlier=listed(self.earlier), memory_limit=get_settings().memory_limit
        )


class TextReportOperator(StageOperator):
    """The report page and dataset card of a run over a text corpus.

    Args:
        datasets: URIs of corpus, vocabulary, records, model and evaluation, by these names.
    """

    template_fields: Sequence[str] = ("uri", "datasets")
    ui_color = "#f3e8fd"
    work = None

    def __init__(self, *, datasets: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.datasets = datasets

    def make_stage(self, context: "Context") -> "Stage":
        """The report stage."""
        from threadmill.reports.text_stage import TextReportStage

        return TextReportStage(**{f"{name}_uri": uri for name, uri in self.datasets.items()})


class PublishOperator(BaseOperator):
    """Tells Airflow, and so the DAGs scheduled on these assets, that the datasets are there.

    Args:
        datasets: URIs by the names of ``assets``; each must be a finished dataset.
        assets: what each updates.
    """

    template_fields: Sequence[str] = ("datasets",)
    ui_color = "#f3e8fd"

    def __init__(self, *, datasets: Mapping[str, Any], assets: Sequence[Asset], **kwargs: Any) -> None:
        super().__init__(outlets=list(assets), **kwargs)
        self.datasets, self.assets = datasets, {asset.name: asset for asset in assets}

    def execute(self, context: "Context") -> None:
        """Checks that each dataset is whole, then notes its URI and digest with its asset's event."""
        from threadmill.datasets.dataset import verify
        from threadmill.datasets.manifest import read_manifest
        from threadmill.errors import IntegrityError

        for name, uri in self.datasets.items():
            with library_calls():
                manifest = read_manifest(uri)
                if problems := verify(uri):
                    raise IntegrityError(f"{uri}: {'; '.join(problems)}; delete the folder and clear the task that writes it")
            extra = {"uri": uri, "digest": manifest.digest, "records": manifest.records}
            context["outlet_events"][self.assets[name]].extra = extra
        log.info("publish: %s", ", ".join(self.datasets))
