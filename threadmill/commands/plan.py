"""threadmill plan: what a run on Google Cloud will cost, and what one has cost so far."""

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from threadmill.commands.options import Parsers, add_command, add_settings, given_settings
from threadmill.errors import ConfigError
from threadmill.pretraining.config import CONFIGS
from threadmill.training.config import EvaluationConfig, TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from threadmill.pricing.estimate import Estimate
    from threadmill.pricing.plan import RunPlan
    from threadmill.pricing.runs import ModelPlan
    from threadmill.settings import Settings

_RECORDS = {"max_seq_length": int, "max_target_length": int, "max_predictions_per_seq": int, "dupe_factor": int}
_TRAINING = ("model", "steps", "batch_size", "precision")
_VOCABULARY_SIZE = 8192  # of reddit_refresh's form


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    parser = add_command(
        parsers,
        "plan",
        "what a run will cost where the settings (THREADMILL_PLATFORM=gcp ...) send it, as a table with the prices' sources",
        "threadmill plan --months 2015-01..2015-12 --model bert-base --steps 100000 --batch-size 256",
        _run_plan,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--month", metavar="YYYY-MM", help="one run, of this month")
    what.add_argument("--months", metavar="FIRST..LAST", help="a run a month, such as 2015-01..2015-12")
    what.add_argument("--tables", metavar="PATTERN", help="one run over the monthly tables that a pattern names, such as ^2015_")
    what.add_argument("--text", metavar="PATH", nargs="+", help="a run of text_corpus over these files or folders")
    what.add_argument(
        "--spent", metavar="FOLDER", help="what the run in this folder, such as ROOT/reddit/2015-05, has cost so far"
    )
    parser.add_argument("--source", metavar="DUMP", help="the month's dump, {month} allowed; its size tells where it is there")
    parser.add_argument(
        "--from-tables", action="store_true", help="the months are read from BigQuery's monthly tables, not dumps"
    )
    parser.add_argument(
        "--table-dataset", metavar="NAME", help="with --source bigquery:PROJECT: ask BigQuery by dry runs what its tables bill"
    )
    parser.add_argument("--comments", type=int, default=0, metavar="N", help="comments a month, whatever is published")
    parser.add_argument("--lookback-months", type=int, default=6, metavar="N", help="earlier months as context (default: 6)")
    parser.add_argument("--deduplication", choices=("none", "exact", "near"), default="exact", help="(default: exact)")
    parser.add_argument("--objective", choices=tuple(CONFIGS), default="bert", help="of the records (default: bert)")
    for name, kind in _RECORDS.items():
        parser.add_argument(_flag(name), type=kind, metavar="N", help="of the records (default: the objective's)")
    parser.add_argument("--vocab-size", type=int, default=_VOCABULARY_SIZE, metavar="N", help=f"(default: {_VOCABULARY_SIZE})")
    others = tuple(name for name in _setting_names(TrainingConfig) if name not in _TRAINING)
    add_settings(parser, TrainingConfig, title="training", without=others)
    parser.add_argument(
        "--budget", type=float, metavar="DOLLARS", help="exit status 1 where it costs more (default: THREADMILL_BUDGET)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--markdown", action="store_true", help="for documents")


def _run_plan(arguments: argparse.Namespace) -> int:
    from threadmill.pricing.budget import budget_of
    from threadmill.settings import get_settings

    settings = get_settings()
    found = _spent(arguments.spent) if arguments.spent else _estimated(arguments, settings)
    _show(found, arguments)
    budget = budget_of(arguments.budget, settings)
    if budget.exceeded_by(found.total):
        print(f"over the budget of ${budget.dollars:,.2f}")
        return 1
    return 0


def _estimated(arguments: argparse.Namespace, settings: "Settings") -> "Estimate":
    from threadmill.pricing.estimate import estimate, sum_of

    estimates = [estimate(run, settings) for run in _runs(arguments)]
    return (
        estimates[0] if len(estimates) == 1 else sum_of(f"{len(estimates)} runs of reddit_refresh, {arguments.months}", estimates)
    )


def _runs(arguments: argparse.Namespace) -> "list[RunPlan]":
    from threadmill.pricing.runs import text_run
    from threadmill.pricing.volumes import months_between, months_of_tables

    model = _model(arguments)
    if arguments.text:
        return [text_run("of " + ", ".join(arguments.text), model, sources=arguments.text)]
    if arguments.tables:
        months = months_of_tables(arguments.tables)
        run = _month(arguments, model, months[0], pattern=arguments.tables)
        return [replace(run, name=f"reddit_refresh over the {len(months)} tables {arguments.tables}", sources=len(months))]
    if arguments.month:
        return [_month(arguments, model, arguments.month)]
    first, dots, last = arguments.months.partition("..")
    if not dots:
        raise ConfigError(f"--months is {arguments.months}; write the first and the last, such as 2015-01..2015-12")
    return [_month(arguments, model, month) for month in months_between(first, last)]


def _month(arguments: argparse.Namespace, model: "ModelPlan", month: str, pattern: str = "") -> "RunPlan":
    from threadmill.pricing.runs import reddit_run

    sources = arguments.source.replace("{month}", month).split(",") if arguments.source else []
    return reddit_run(
        month,
        model,
        sources=sources,
        tables=bool(arguments.from_tables or arguments.table_dataset or pattern),
        query_bytes=_asked(arguments, sources, month, pattern),
        pattern=pattern,
        lookback=arguments.lookback_months,
        deduplication=arguments.deduplication,
        comments=arguments.comments,
    )


def _asked(arguments: argparse.Namespace, sources: "list[str]", month: str, pattern: str) -> "Mapping[str, int]":
    """What BigQuery says, where it is to be asked."""
    if not arguments.table_dataset:
        return {}
    from threadmill.corpora.reddit.config import TablesConfig
    from threadmill.pricing.asking import asked_bytes

    return asked_bytes(sources, TablesConfig(dataset=arguments.table_dataset, pattern=pattern, month="" if pattern else month))


def _model(arguments: argparse.Namespace) -> "ModelPlan":
    from threadmill.pricing.runs import ModelPlan

    config = CONFIGS[arguments.objective]()
    given = {name: getattr(arguments, name) for name in _RECORDS if getattr(arguments, name) is not None}
    unfit = [name for name in given if not hasattr(config, name)]
    if unfit:
        raise ConfigError(
            f"records of {arguments.objective} have no {_flag(unfit[0])}; leave it out, or name another --objective"
        )
    training = given_settings(TrainingConfig, arguments)
    if "steps" in training:  # whose warm-up may be longer than all of a shortened run
        training = {"warmup_steps": -1, **training}
    return ModelPlan(replace(config, **given), TrainingConfig(**training), EvaluationConfig(), arguments.vocab_size)


def _spent(folder: str) -> "Estimate":
    from threadmill.datasets import storage
    from threadmill.errors import InputError
    from threadmill.pricing.estimate import Estimate
    from threadmill.pricing.spending import dataset_uris, spent

    if not storage.exists(folder):
        raise InputError(f"{folder} does not exist; name the folder of a run, such as ROOT/reddit/2015-05")
    found = spent(dataset_uris(folder))
    notes = ["By the jobs' statistics and list prices; storage, and jobs that have not ended, are not in it."]
    if found.unpriced:
        notes.append(f"Not priced, since they have no statistics: {', '.join(found.unpriced)}.")
    return Estimate(f"{folder} has cost so far", found.lines, tuple(notes))


def _show(found: "Estimate", arguments: argparse.Namespace) -> None:
    from threadmill.pricing.table import markdown_of, text_of

    if arguments.json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        print(markdown_of(found) if arguments.markdown else text_of(found))


def _setting_names(config: Any) -> list[str]:
    from threadmill.config import settings_of

    return [setting.name for setting in settings_of(config)]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
