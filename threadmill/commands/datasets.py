"""threadmill verify and show: look at datasets."""

import argparse
import sys

from threadmill.commands.options import Parsers, add_command
from threadmill.errors import ConfigError


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    verify = add_command(
        parsers,
        "verify",
        "check every shard of a dataset against its manifest; exit status 1 where one differs",
        "threadmill verify /data/reddit/2006-01/conversations",
        _run_verify,
    )
    verify.add_argument("dataset", metavar="DATASET", help="the dataset's folder")
    show = add_command(
        parsers,
        "show",
        "print what a dataset is, its funnel and some of its records",
        "threadmill show /data/reddit/2006-01/conversations --records 3",
        _run_show,
    )
    show.add_argument("dataset", metavar="DATASET", help="the dataset's folder")
    show.add_argument("--records", type=int, default=3, metavar="N", help="records to print (default: 3)")


def _run_verify(arguments: argparse.Namespace) -> int:
    from threadmill.datasets.dataset import verify

    problems = verify(arguments.dataset)
    for problem in problems:
        print(problem)
    if problems:
        print(
            f"{arguments.dataset}: {len(problems)} file(s) differ from the manifest; run the dataset's stage again",
            file=sys.stderr,
        )
        return 1
    print(f"{arguments.dataset}: every file is as its manifest says")
    return 0


def _run_show(arguments: argparse.Namespace) -> int:
    from threadmill.datasets.dataset import Dataset
    from threadmill.reports.summary import summary

    if arguments.records < 0:
        raise ConfigError(f"--records is {arguments.records}; it must be a whole number from 0")
    for line in summary(Dataset.open(arguments.dataset), arguments.records):
        print(line)
    return 0
