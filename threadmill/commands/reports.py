"""threadmill check-comments, check-conversations, report and overview: whether a dataset is good, and what a run made."""

import argparse
from typing import TYPE_CHECKING

from threadmill.commands.options import (
    Parsers,
    add_command,
    add_memory_limit,
    add_output,
    add_settings,
    given_settings,
    memory_limit,
)
from threadmill.conversations.limits import ConversationLimits
from threadmill.corpora.limits import CommentLimits
from threadmill.errors import ConfigError
from threadmill.reports.config import ReportConfig, TextReportConfig

if TYPE_CHECKING:
    from threadmill.engine.stage import Stage

_PARTS = ("vocabulary", "records", "model", "evaluation")  # of any run
_OF_CONVERSATIONS = ("comments", "threads", "earlier", "memory_limit")  # flags that tell of a run of conversations only


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    comments = add_command(
        parsers,
        "check-comments",
        "measure comments against limits; exit status 2 where one is outside",
        "threadmill check-comments /data/reddit/2006-01/comments --month 2006-01",
        _run_check_comments,
    )
    comments.add_argument("dataset", metavar="COMMENTS", help="comments dataset")
    comments.add_argument("--previous", default="", metavar="DIR", help="comments of the month before, to measure drift against")
    add_memory_limit(comments)
    add_settings(comments, CommentLimits)
    conversations = add_command(
        parsers,
        "check-conversations",
        "measure conversations against limits; exit status 2 where one is outside",
        "threadmill check-conversations /data/reddit/2006-01/conversations --min-yield 0.05",
        _run_check_conversations,
    )
    conversations.add_argument("dataset", metavar="CONVERSATIONS", help="conversations dataset")
    conversations.add_argument(
        "--previous", default="", metavar="DIR", help="an earlier conversations dataset, to measure drift against"
    )
    add_memory_limit(conversations)
    add_settings(conversations, ConversationLimits)
    _add_report(parsers)
    run = add_command(
        parsers,
        "overview",
        "a run in the terminal: its funnel, some conversations or documents, the model's scores, where all of it lies",
        "threadmill overview /data/reddit/2006-01",
        _run_overview,
    )
    run.add_argument("run_folder", metavar="DIR", help="the folder of the run's datasets")
    run.add_argument("--examples", type=int, default=3, metavar="N", help="conversations or documents to print (default: 3)")


def _add_report(parsers: Parsers) -> None:
    report = add_command(
        parsers,
        "report",
        "one HTML page of a run with plots and examples, and a dataset card; of conversations, or of a text corpus",
        "threadmill report /data/reddit/2006-01/conversations --comments /data/reddit/2006-01/comments "
        "--output /data/reddit/2006-01/report",
        _run_report,
    )
    report.add_argument("dataset", metavar="DATASET", help="conversations dataset, or text corpus")
    report.add_argument("--comments", nargs="+", metavar="DIR", help="the run's comments, with those that were context")
    report.add_argument("--threads", metavar="DIR", help="the run's threads, if there are any")
    for part in _PARTS:
        report.add_argument(f"--{part}", metavar="DIR", help=f"the run's {part}, if there is one")
    report.add_argument(
        "--earlier",
        nargs="+",
        metavar="DIR",
        help="conversations of the months before: plotted, and the last for drift",
    )
    add_output(report, refuses_partial=False)
    add_memory_limit(report)
    add_settings(report, ReportConfig)


def _run_check_comments(arguments: argparse.Namespace) -> int:
    limits = CommentLimits(**given_settings(CommentLimits, arguments))
    from threadmill.corpora.checks import check_comments
    from threadmill.datasets.gate import enforce

    limit = memory_limit(arguments)
    checks = check_comments(arguments.dataset, limits, previous=arguments.previous, memory_limit=limit)
    enforce(checks, arguments.dataset)
    return 0


def _run_check_conversations(arguments: argparse.Namespace) -> int:
    limits = ConversationLimits(**given_settings(ConversationLimits, arguments))
    from threadmill.conversations.checks import check_conversations
    from threadmill.datasets.gate import enforce

    limit = memory_limit(arguments)
    checks = check_conversations(arguments.dataset, limits, previous=arguments.previous, memory_limit=limit)
    enforce(checks, arguments.dataset)
    return 0


def _run_report(arguments: argparse.Namespace) -> int:
    from threadmill.conversations.statistics import CONVERSATIONS
    from threadmill.datasets.dataset import Dataset
    from threadmill.datasets.storage import join
    from threadmill.documents.sources import CORPUS
    from threadmill.engine.run import run_stage
    from threadmill.reports import PAGE_NAME

    made_by = Dataset.open(arguments.dataset, CORPUS, *CONVERSATIONS).manifest.stage
    stage = (_text_report if made_by == CORPUS else _conversations_report)(arguments)
    run_stage(stage, arguments.output, workers=arguments.workers)
    print(join(arguments.output, PAGE_NAME))
    return 0


def _conversations_report(arguments: argparse.Namespace) -> "Stage":
    config = ReportConfig(**given_settings(ReportConfig, arguments))
    from threadmill.reports.stage import ReportStage

    return ReportStage(
        comments_uri=arguments.comments,
        threads_uri=arguments.threads,
        conversations_uri=arguments.dataset,
        config=config,
        earlier=tuple(arguments.earlier or ()),
        memory_limit=memory_limit(arguments),
        **_made(arguments),
    )


def _text_report(arguments: argparse.Namespace) -> "Stage":
    config = TextReportConfig(**given_settings(TextReportConfig, arguments))
    settings = given_settings(ReportConfig, arguments).keys() - given_settings(TextReportConfig, arguments).keys()
    flags = [name for name in (*_OF_CONVERSATIONS, *sorted(settings)) if getattr(arguments, name) is not None]
    if flags:
        flag = "--" + flags[0].replace("_", "-")
        raise ConfigError(f"{flag} is for reports on conversations, and {arguments.dataset} is a text corpus; leave it out")
    from threadmill.reports.text_stage import TextReportStage

    return TextReportStage(corpus_uri=arguments.dataset, config=config, **_made(arguments))


def _made(arguments: argparse.Namespace) -> dict[str, str | None]:
    """What was made from the dataset, as the report stages take it."""
    return {f"{part}_uri": getattr(arguments, part) for part in _PARTS}


def _run_overview(arguments: argparse.Namespace) -> int:
    from threadmill.reports.overview import overview

    for line in overview(arguments.run_folder, arguments.examples):
        print(line)
    return 0
