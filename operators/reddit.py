"""Operators of the Reddit road: plan the month, wait for its dumps, ingest, threads, conversations without duplicates, checks."""

import logging
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseSensorOperator

from operators.base import StageOperator
from operators.library import library_calls
from operators.pools import pool_of
from operators.pretraining_params import pretraining_configs
from operators.reddit_params import picked
from operators.remote_work import RemoteWorkOperator, run_site
from operators.sample import SAMPLE, sample_dump
from operators.templates import listed, planned
from threadmill.cloud.work import Waiting
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.datasets.storage import exists, join, list_names
from threadmill.errors import ConfigError
from threadmill.months import add_months, check_month, is_month
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.engine.stage import Stage

log = logging.getLogger(__name__)

_DATASETS = (
    "comments",
    "threads",
    "conversations",
    "signatures",
    "deduplicated",
    "records",
    "model",
    "evaluation",
    "export",
    "report",
)


class PlanRedditMonth(BaseOperator):
    """Says which month is refreshed, from which dumps, and where each dataset goes; checks every setting first.

    Returns:
        {"month", "sources", "ledger", one URI a dataset, and of other months, as far as they are there: "lookback", the
        comments of the months before; "earlier_signatures"; "previous_comments", "previous_conversations" and
        "previous_model", of the month before, "" where there are none; "earlier_conversations"}.
    """

    ui_color = "#fef7e0"

    def execute(self, context: "Context") -> dict[str, Any]:
        """Resolves the params."""
        params = context["params"]
        with library_calls():
            settings = get_settings()
            month = check_month(params["month"] or _previous_month(context))
            configs = picked(params)  # a wrong setting is found here, not hours later
            pretraining_configs(params)
            sources = _resolve_sources(params, month)
            root = join(settings.root, "reddit")
            before = [add_months(month, -back) for back in range(params["lookback_months"], 0, -1)]
            plan: dict[str, Any] = {"month": month, "sources": sources, "ledger": params["ledger"] or settings.ledger}
            plan |= {name: join(root, month, name) for name in _DATASETS}
            plan["vocabularies"] = join(root, "vocabularies")
            plan["lookback"] = [uri for name in before if (uri := _made(root, name, "comments"))]
            plan |= _other_months(root, month, configs.deduplication.deduplication)
        log.info("plan: refresh %s from %s to %s", month, ", ".join(sources), join(root, month))
        return plan


def _other_months(root: str, month: str, deduplication: str) -> dict[str, Any]:
    release = "conversations" if deduplication == "none" else "deduplicated"
    earlier = [name for name in list_names(root) if is_month(name) and name < month]
    previous = add_months(month, -1)
    return {
        "earlier_signatures": [uri for name in earlier if (uri := _made(root, name, "signatures"))],
        "earlier_conversations": [uri for name in earlier if (uri := _made(root, name, release))],
        "previous_comments": _made(root, previous, "comments"),
        "previous_conversations": _made(root, previous, release),
        "previous_model": _made(root, previous, "model"),
    }


def _made(root: str, month: str, name: str) -> str:
    """The URI of a month's dataset, "" where it is not there."""
    uri = join(root, month, name)
    return uri if exists(join(uri, MANIFEST_NAME)) else ""


def _previous_month(context: "Context") -> str:
    """The month of the run's data interval; for a run with none, the month before the run: cleared later, it is the same."""
    start = context.get("data_interval_start")
    if start is not None:
        return start.strftime("%Y-%m")
    return add_months(context["dag_run"].run_after.strftime("%Y-%m"), -1)


def _resolve_sources(params: Mapping[str, Any], month: str) -> list[str]:
    from threadmill.corpora.reddit.table_sources import bigquery_project

    source = params["source"] or get_settings().reddit_source
    if source == SAMPLE:
        return [sample_dump(params["sample_comments"], month)]
    named = [part.strip() for part in f"{source},{params['submissions'] or ''}".split(",")]
    sources = [part.replace("{month}", month) for part in named if part]
    if params["table_dataset"] and len(sources) > 1:
        raise ConfigError(f"table_dataset is set, so the source is one database, but {', '.join(sources)} were named; name one")
    if any(bigquery_project(source) for source in sources) and not params["table_dataset"]:
        raise ConfigError(
            f"the source is {source}, and table_dataset names none of its datasets; set it, such as reddit_comments"
        )
    return sources


class RedditDumpSensor(BaseSensorOperator):
    """Waits until the month's dumps, or its tables in BigQuery, are there. Gives its worker slot back between looks.

    Args:
        sources: the dumps' URIs, or bigquery:PROJECT.
    """

    template_fields: Sequence[str] = ("sources", "month")
    ui_color = "#fef7e0"

    def __init__(self, *, sources: Sequence[str] | str, month: str = planned("month"), **kwargs: Any) -> None:
        super().__init__(mode="reschedule", **kwargs)
        self.sources, self.month = sources, month

    def poke(self, context: "Context") -> bool:
        """True when all are there; a folder or an empty file in the place of a dump fails at once."""
        for source in listed(self.sources):
            with library_calls():
                if not self._is_there(source, context["params"]):
                    log.info("wait_for_source: %s is not there yet", source)
                    return False
        log.info("wait_for_source: %s is there", ", ".join(listed(self.sources)))
        return True

    def _is_there(self, source: str, params: Mapping[str, Any]) -> bool:
        from threadmill.corpora.reddit.sources import check_source, source_exists
        from threadmill.corpora.reddit.table_sources import bigquery_project

        project = bigquery_project(source)
        if project:
            from threadmill.warehouse.bigquery.catalog import table_names

            pattern = params["table_pattern"] or f"^{self.month.replace('-', '_')}$"
            return any(re.search(pattern, name) for name in table_names(project, params["table_dataset"]))
        if not source_exists(source):
            return False
        check_source(source)
        return True


class IngestOperator(StageOperator):
    """Dumps, or monthly tables, to the month's comments."""

    template_fields: Sequence[str] = ("uri", "sources", "month", "ledger")

    def __init__(
        self, *, sources: Sequence[str] | str, month: str = planned("month"), ledger: str = planned("ledger"), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sources, self.month, self.ledger = sources, month, ledger

    def make_stage(self, context: "Context") -> "Stage":
        """The ingest stage over the dumps, or the tables stage over a database."""
        from threadmill.corpora.reddit.ingest import IngestStage
        from threadmill.corpora.reddit.tables import TablesStage

        configs = picked(context["params"])
        if not context["params"]["table_dataset"]:
            return IngestStage(listed(self.sources), replace(configs.ingest, source_month=self.month), self.ledger)
        (database,) = listed(self.sources)
        tables = configs.tables if configs.tables.pattern else replace(configs.tables, month=self.month)
        return TablesStage(database, tables, get_settings().memory_limit, self.ledger)


class CheckCommentsOperator(RemoteWorkOperator):
    """Fails the run where the month's comments are outside the limits.

    Args:
        previous: URI of the comments of the month before; "" for none.
    """

    template_fields: Sequence[str] = ("comments", "month", "previous")
    ui_color = "#e6f4ea"

    def __init__(self, *, comments: str, month: str = planned("month"), previous: str, **kwargs: Any) -> None:
        super().__init__(**{"pool": pool_of("warehouse"), **kwargs})
        self.comments, self.month, self.previous = comments, month, previous

    def steps(self, context: "Context") -> Generator[Waiting, None, None]:
        """Measures, shows the table, and judges."""
        from threadmill.corpora.checks import comment_check_steps
        from threadmill.datasets.gate import enforce

        limits = replace(picked(context["params"]).comment_limits, month=self.month)
        checks = yield from comment_check_steps(
            self.comments,
            limits,
            previous=self.previous,
            site=run_site(context),
            memory_limit=get_settings().memory_limit,
        )
        enforce(checks, "checks of comments")
        log.info("check_comments: %d checks passed", len(checks))


class ThreadsOperator(StageOperator):
    """Comments to threads, with the months before as context."""

    template_fields: Sequence[str] = ("uri", "comments", "lookback", "month", "ledger")
    work = "warehouse"

    def __init__(
        self,
        *,
        comments: str,
        lookback: Sequence[str] | str,
        month: str = planned("month"),
        ledger: str = planned("ledger"),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.comments, self.lookback, self.month, self.ledger = comments, lookback, month, ledger

    def make_stage(self, context: "Context") -> "Stage":
        """The threads stage over the month and the months before it."""
        from threadmill.conversations.threads import ThreadsStage

        config = replace(picked(context["params"]).threads, month=self.month)
        return ThreadsStage((*listed(self.lookback), self.comments), config, get_settings().memory_limit, self.ledger)


class ConversationsOperator(StageOperator):
    """Threads to context/response examples."""

    template_fields: Sequence[str] = ("uri", "threads")

    def __init__(self, *, threads: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threads = threads

    def make_stage(self, context: "Context") -> "Stage":
        """The conversations stage."""
        from threadmill.conversations.stage import ConversationsStage

        return ConversationsStage(self.threads, picked(context["params"]).conversations)


class SignaturesOperator(StageOperator):
    """The signatures of the month's conversations, which later months are compared with. Nothing where no duplicates go."""

    template_fields: Sequence[str] = ("uri", "conversations")

    def __init__(self, *, conversations: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conversations = conversations

    def make_stage(self, context: "Context") -> "Stage":
        """The signatures stage."""
        from threadmill.deduplication.signatures import SignaturesStage

        return SignaturesStage(self.conversations, picked(context["params"]).deduplication)

    def execute(self, context: "Context") -> Any:
        """Runs the stage, unless deduplication is none."""
        return "" if context["params"]["deduplication"] == "none" else super().execute(context)


class DeduplicateOperator(StageOperator):
    """The month's conversations less the duplicates of earlier ones; the conversations as they are where no duplicates go."""

    template_fields: Sequence[str] = ("uri", "conversations", "signatures", "earlier")
    work = "warehouse"

    def __init__(self, *, conversations: str, signatures: str, earlier: Sequence[str] | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conversations, self.signatures, self.earlier = conversations, signatures, earlier

    def make_stage(self, context: "Context") -> "Stage":
        """The deduplicate stage."""
        from threadmill.deduplication.deduplicate import DeduplicateStage

        config = picked(context["params"]).deduplication
        return DeduplicateStage(self.conversations, self.signatures, listed(self.earlier), config, get_settings().memory_limit)

    def execute(self, context: "Context") -> Any:
        """Runs the stage, unless deduplication is none."""
        return self.conversations if context["params"]["deduplication"] == "none" else super().execute(context)


class CheckConversationsOperator(RemoteWorkOperator):
    """Fails the run where the conversations are outside the limits.

    Args:
        previous: URI of the conversations of the month before; "" for none.
    """

    template_fields: Sequence[str] = ("conversations", "previous")
    ui_color = "#e6f4ea"

    def __init__(self, *, conversations: str, previous: str, **kwargs: Any) -> None:
        super().__init__(**{"pool": pool_of("warehouse"), **kwargs})
        self.conversations, self.previous = conversations, previous

    def steps(self, context: "Context") -> Generator[Waiting, None, None]:
        """Measures, shows the table, and judges."""
        from threadmill.conversations.checks import conversation_check_steps
        from threadmill.datasets.gate import enforce

        checks = yield from conversation_check_steps(
            self.conversations,
            picked(context["params"]).conversation_limits,
            previous=self.previous,
            site=run_site(context),
            memory_limit=get_settings().memory_limit,
        )
        enforce(checks, "checks of conversations")
        log.info("check_conversations: %d checks passed", len(checks))
