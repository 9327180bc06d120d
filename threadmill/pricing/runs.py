"""The plans of our DAGs' runs, from what they are started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from threadmill.months import add_months, check_month
from threadmill.pretraining.config import RecordsConfig
from threadmill.pricing.lines import ASSUMED
from threadmill.pricing.plan import RunPlan
from threadmill.pricing.volumes import (
    NOTHING,
    Volume,
    add,
    comments_of_datasets,
    comments_of_files,
    comments_of_month,
    months_of_tables,
    text_bytes,
)
from threadmill.training.config import EvaluationConfig, TrainingConfig

_UNKNOWN_TEXT = 1e9


@dataclass(frozen=True)
class ModelPlan:
    """The second half of a run: what the costs of records, training and evaluation depend on."""

    records: RecordsConfig
    training: TrainingConfig
    evaluation: EvaluationConfig
    vocabulary_size: int


def reddit_run(
    month: str,
    model: ModelPlan,
    *,
    sources: Sequence[str] = (),
    tables: bool = False,
    pattern: str = "",
    lookback: Sequence[str] | int = (),
    deduplication: str = "exact",
    comments: int = 0,
    query_bytes: Mapping[str, int] | None = None,
) -> RunPlan:
    """A run of reddit_refresh.

    Args:
        month: of the run.
        sources: dumps; those that are there tell the run's size.
        tables: the sources are monthly tables: the month's, or those that ``pattern`` names.
        lookback: URIs of the comments of earlier months, or how many months to suppose.
        comments: so many, whatever the sources say; 0 to ask them.
        query_bytes: what BigQuery says that stages process.

    Raises:
        ConfigError: a month or pattern is none.
    """
    check_month(month)
    if isinstance(lookback, int):
        earlier = add([comments_of_month(add_months(month, -back)) for back in range(1, lookback + 1)])
    else:
        earlier = comments_of_datasets(lookback)
    return RunPlan(
        f"reddit_refresh {month}",
        model.records,
        model.training,
        model.evaluation,
        model.vocabulary_size,
        comments=_comments(month, sources, pattern if tables else "", comments),
        lookback=earlier,
        sources=max(1, len(sources)),
        from_tables=tables,
        deduplication=deduplication,
        query_bytes=query_bytes or {},
    )


def _comments(month: str, sources: Sequence[str], pattern: str, comments: int) -> Volume:
    if comments:
        return Volume(comments, ASSUMED, "comments as given")
    if pattern:
        return add([comments_of_month(name) for name in months_of_tables(pattern)])
    return (comments_of_files(sources) if sources else None) or comments_of_month(month)


def text_run(name: str, model: ModelPlan, *, sources: Sequence[str]) -> RunPlan:
    """A run of text_corpus over files and folders; a gigabyte is supposed where their size cannot be told."""
    text = text_bytes(sources) or Volume(_UNKNOWN_TEXT, ASSUMED, "a gigabyte of text, since the sources' size is not known")
    return RunPlan(
        f"text_corpus {name}",
        model.records,
        model.training,
        model.evaluation,
        model.vocabulary_size,
        comments=NOTHING,
        text=text,
        sources=max(1, len(sources)),
        deduplication="none",
    )
