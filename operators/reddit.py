"""Operators of the Reddit road: plan the month, wait for its dump, ingest, threads, conversations and their checks."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseSensorOperator

from operators.base import StageOperator, permanent_faults
from operators.params import picked
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.datasets.storage import exists, join
from threadmill.months import add_months, check_month
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.engine.stage import Stage

log = logging.getLogger(__name__)

SAMPLE = "sample"


def planned(name: str) -> str:
    """The template of one entry of the plan. (A template draws no edge in the graph: the order of tasks tells it all.)"""
    return "{{ ti.xcom_pull(task_ids='plan', key='" + name + "') }}"


class PlanRedditMonth(BaseOperator):
    """Says which month is refreshed, from which dump, and where each dataset goes; checks every setting first.

    Returns:
        {"month", "source", one URI a dataset, "lookback": URIs of the comments of earlier months that are there}.
    """

    ui_color = "#fef7e0"

    def execute(self, context: "Context") -> dict[str, Any]:
        """Resolves the params."""
        params = context["params"]
        with permanent_faults():
            month = check_month(params["month"] or _previous_month(context))
            picked(params)  # a wrong setting is found here, not hours later
            source = _resolve_source(params, month)
            root = join(get_settings().root, "reddit")
            lookback = [join(root, add_months(month, -back), "comments") for back in range(params["lookback_months"], 0, -1)]
        names = ("comments", "threads", "conversations", "records", "model", "evaluation", "report")
        plan: dict[str, Any] = {"month": month, "source": source, **{name: join(root, month, name) for name in names}}
        plan["vocabularies"] = join(root, "vocabularies")
        plan["lookback"] = [uri for uri in lookback if exists(join(uri, MANIFEST_NAME))]
        log.info("plan: refresh %s from %s to %s", month, source, join(root, month))
        return plan


def _previous_month(context: "Context") -> str:
    """The month of the run's data interval; for a run with none, the month before the run: cleared later, it is the same."""
    start = context.get("data_interval_start")
    if start is not None:
        return start.strftime("%Y-%m")
    return add_months(context["dag_run"].run_after.strftime("%Y-%m"), -1)


def _resolve_source(params: Mapping[str, Any], month: str) -> str:
    source = params["source"] or get_settings().reddit_source
    if source != SAMPLE:
        return str(source).replace("{month}", month)
    from threadmill.corpora.sample import write_sample

    folder = join(get_settings().root, "sources", f"sample-{params['sample_comments']}")
    path = join(folder, f"RC_{month}.zst")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        write_sample(folder, comments=params["sample_comments"], start=month)
    return path


class RedditDumpSensor(BaseSensorOperator):
    """Waits until the month's dump is there. Gives its worker slot back between looks.

    Args:
        source: the dump's URI.
    """

    template_fields: Sequence[str] = ("source",)
    ui_color = "#fef7e0"

    def __init__(self, *, source: str, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", **kwargs)
        self.source = source

    def poke(self, context: "Context") -> bool:
        """True when the dump is there; a folder or an empty file in its place fails at once."""
        from threadmill.corpora.reddit.sources import check_source, source_exists

        if not source_exists(self.source):
            log.info("wait_for_source: %s is not there yet", self.source)
            return False
        with permanent_faults():
            check_source(self.source)
        log.info("wait_for_source: %s is there", self.source)
        return True


class IngestOperator(StageOperator):
    """A dump to the month's comments."""

    template_fields: Sequence[str] = ("uri", "source", "month")

    def __init__(self, *, source: str, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source, self.month = source, month

    def make_stage(self, context: "Context") -> "Stage":
        """The ingest stage over the one dump."""
        from threadmill.corpora.reddit.config import IngestConfig
        from threadmill.corpora.reddit.ingest import IngestStage

        return IngestStage((self.source,), IngestConfig(source_month=self.month))


class CheckCommentsOperator(BaseOperator):
    """Fails the run where the month's comments are outside the limits."""

    template_fields: Sequence[str] = ("comments", "month")
    ui_color = "#e6f4ea"

    def __init__(self, *, comments: str, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.comments, self.month = comments, month

    def execute(self, context: "Context") -> None:
        """Measures, shows the table, and judges."""
        from threadmill.corpora.checks import check_comments
        from threadmill.datasets.gate import enforce

        with permanent_faults():
            limits = replace(picked(context["params"]).comment_limits, month=self.month)
            checks = check_comments(self.comments, limits, memory_limit=get_settings().memory_limit)
            enforce(checks, "checks of comments")
        log.info("check_comments: %d checks passed", len(checks))


class ThreadsOperator(StageOperator):
    """Comments to threads, with the months before as context."""

    template_fields: Sequence[str] = ("uri", "comments", "lookback", "month")

    def __init__(self, *, comments: str, lookback: Sequence[str] | str, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.comments, self.lookback, self.month = comments, lookback, month

    def make_stage(self, context: "Context") -> "Stage":
        """The threads stage over the month and the months before it."""
        from threadmill.conversations.threads import ThreadsStage

        config = replace(picked(context["params"]).threads, month=self.month)
        return ThreadsStage((*self.lookback, self.comments), config, get_settings().memory_limit)


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


class CheckConversationsOperator(BaseOperator):
    """Fails the run where the conversations are outside the limits."""

    template_fields: Sequence[str] = ("conversations",)
    ui_color = "#e6f4ea"

    def __init__(self, *, conversations: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conversations = conversations

    def execute(self, context: "Context") -> None:
        """Measures, shows the table, and judges."""
        from threadmill.conversations.checks import check_conversations
        from threadmill.datasets.gate import enforce

        with permanent_faults():
            checks = check_conversations(self.conversations, picked(context["params"]).conversation_limits)
            enforce(checks, "checks of conversations")
        log.info("check_conversations: %d checks passed", len(checks))
