"""threadmill verify: check a dataset's files."""

import argparse
import sys

from threadmill.commands.options import Parsers, add_command


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
