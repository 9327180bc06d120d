"""The trigger form of the Reddit DAGs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow.sdk import Param

from operators.budget import budget_params
from operators.form import optional_params, setting_params, settings_named
from operators.pretraining_params import pretraining_params
from threadmill.config import Setting, pick_settings, settings_of
from threadmill.conversations.config import PRESETS, ConversationsConfig, ThreadsConfig, TurnsConfig, find_preset
from threadmill.conversations.limits import ConversationLimits
from threadmill.conversations.rules_config import RulesConfig
from threadmill.corpora.limits import CommentLimits
from threadmill.corpora.reddit.config import IngestConfig, SourceConfig, TablesConfig
from threadmill.deduplication.config import DeduplicationConfig


@dataclass(frozen=True)
class Configs:
    """The configs of the stages and checks up to the conversations, checked themselves."""

    ingest: IngestConfig
    tables: TablesConfig
    threads: ThreadsConfig
    conversations: ConversationsConfig
    deduplication: DeduplicationConfig
    comment_limits: CommentLimits
    conversation_limits: ConversationLimits


def picked(params: Mapping[str, Any]) -> Configs:
    """The configs that a run's params ask for.

    Raises:
        ConfigError: a value outside its limits.
    """
    preset = find_preset(params["preset"])
    return Configs(
        ingest=IngestConfig(**pick_settings(SourceConfig, params)),
        tables=_tables(params),
        threads=replace(preset.threads, **pick_settings(ThreadsConfig, params)),
        conversations=replace(preset.conversations, **pick_settings(ConversationsConfig, params)),
        deduplication=DeduplicationConfig(**pick_settings(DeduplicationConfig, params)),
        comment_limits=CommentLimits(**pick_settings(CommentLimits, params)),
        conversation_limits=ConversationLimits(**pick_settings(ConversationLimits, params)),
    )


def _tables(params: Mapping[str, Any]) -> TablesConfig:
    names = {"dataset": params["table_dataset"], "pattern": params["table_pattern"]}
    return TablesConfig(**pick_settings(TablesConfig, {**names, "max_bad_fraction": params["max_bad_fraction"]}))


def reddit_params() -> dict[str, Param]:
    """The form of reddit_refresh. Defaults are constant, so that parsing again makes no new version of the DAG."""
    return {
        **_source_params(),
        **setting_params("Source", settings_named(SourceConfig, _READING)),
        **_preset_params("Conversations", (*settings_named(ThreadsConfig, _SPLITS), *settings_of(TurnsConfig))),
        **_preset_params("Filters", settings_of(RulesConfig)),
        **setting_params("Deduplication", settings_of(replace(DeduplicationConfig(), deduplication="exact"))),
        **setting_params("Checks of comments", _without_month(CommentLimits)),
        **setting_params("Checks of conversations", settings_of(ConversationLimits)),
        **pretraining_params(),
        **budget_params(),
    }


_SPLITS = (
    "train_split",
    "validation_split",
    "test_split",
    "num_shards_train",
    "num_shards_validation",
    "num_shards_test",
)
_READING = ("max_bad_fraction", "keep_partial", "merge_dumps")


def _without_month(config: type) -> list[Setting]:
    return [setting for setting in settings_of(config) if setting.name != "month"]  # the run's own


def _source_params() -> dict[str, Param]:
    section = "Source"
    return {
        "month": Param(
            None, type=["null", "string"], pattern=r"^\d{4}-(0[1-9]|1[0-2])$", title="month", section=section,
            description="Month to refresh (YYYY-MM). Empty: the month of the run's data interval",
        ),
        "source": Param(
            None, type=["null", "string"], title="source", section=section,
            description="The month's dump: a path, URI or web address, {month} allowed, several with commas; or 'sample'. "
            "Empty: THREADMILL_REDDIT_SOURCE",
        ),
        "table_dataset": Param(
            None, type=["null", "string"], title="table_dataset", section=section,
            description="Dataset of monthly tables YYYY_MM, such as reddit_comments, where the source is a DuckDB file or "
            "bigquery:PROJECT",
        ),
        "table_pattern": Param(
            None, type=["null", "string"], title="table_pattern", section=section,
            description="Regular expression for the names of the tables to read, such as ^2015_; other months are "
            "context. Empty: the month's own table",
        ),
        "submissions": Param(
            None, type=["null", "string"], title="submissions", section=section,
            description="The month's dump of submissions (RS_{month}), whose titles the preset title uses. Empty: none",
        ),
        "ledger": Param(
            None, type=["null", "string"], title="ledger", section=section,
            description="The takedown ledger: a file of ids and hashed authors that are left out. Empty: THREADMILL_LEDGER",
        ),
        "sample_comments": Param(
            20_000, type="integer", minimum=1, title="sample_comments", section=section,
            description="Comments of the sample world, where the source is 'sample'",
        ),
        "lookback_months": Param(
            6, type="integer", minimum=0, maximum=120, title="lookback_months", section=section,
            description="Months before, as far as they were ingested, whose comments are context",
        ),
        "allow_partial": Param(
            False, type="boolean", title="allow_partial", section=section,
            description="Go on with months that were made from incomplete dumps; all that is made of them is marked partial",
        ),
        "preset": Param(
            "default", type="string", enum=list(PRESETS), title="preset", section=section,
            description="; ".join(f"{name}: {preset.description}" for name, preset in PRESETS.items()),
        ),
    }  # fmt: skip


def _preset_params(section: str, settings: Sequence[Setting]) -> dict[str, Param]:
    """Params whose default is the preset's."""
    return optional_params(section, settings, {setting.name: f"preset default: {setting.default}" for setting in settings})
