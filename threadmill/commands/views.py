"""threadmill show, stats and diff: look at datasets."""

import argparse
import shutil

from threadmill.commands.options import Parsers, add_command, add_memory_limit, memory_limit
from threadmill.errors import ConfigError


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    _add_show(parsers)
    stats = add_command(
        parsers,
        "stats",
        "print a dataset in figures: funnel, splits, percentiles of lengths and turns, subreddits",
        "threadmill stats /data/reddit/2006-01/conversations --subreddits 20",
        _run_stats,
    )
    stats.add_argument("datasets", nargs="+", metavar="DATASET", help="a dataset's folder")
    stats.add_argument("--subreddits", type=int, default=10, metavar="N", help="subreddits to list (default: 10)")
    stats.add_argument("--json", action="store_true", help="print one JSON object a line and dataset, for machines")
    diff = add_command(
        parsers,
        "diff",
        "compare two datasets: settings, inputs, funnels, and example by example",
        "threadmill diff /data/reddit/2005-12/conversations /data/reddit/2006-01/conversations",
        _run_diff,
    )
    diff.add_argument("first", metavar="A", help="a dataset's folder")
    diff.add_argument("second", metavar="B", help="another's")
    add_memory_limit(diff)


def _add_show(parsers: Parsers) -> None:
    show = add_command(
        parsers,
        "show",
        "print what a dataset is, its funnel and some of its records; or one thread as a tree, or one example as a dialogue",
        "threadmill show /data/reddit/2006-01/threads --thread 3k2ab",
        _run_show,
    )
    show.add_argument("dataset", metavar="DATASET", help="the dataset's folder")
    show.add_argument("--records", type=int, default=3, metavar="N", help="records to print (default: 3)")
    which = show.add_mutually_exclusive_group()
    which.add_argument("--thread", metavar="ID", help="print this thread, of a dataset of comments or threads")
    which.add_argument("--example", metavar="ID", help="print this example, of a dataset of conversations")
    show.add_argument("--comments", type=int, default=200, metavar="N", help="comments of a thread to print (default: 200)")
    show.add_argument("--replies", type=int, default=20, metavar="N", help="replies to one comment to print (default: 20)")


def _run_show(arguments: argparse.Namespace) -> int:
    from threadmill.datasets.dataset import Dataset
    from threadmill.reports.dialogue import find_example, render_example
    from threadmill.reports.summary import summary

    for name, least in (("records", 0), ("comments", 1), ("replies", 1)):
        _check_count(name, getattr(arguments, name), least)
    dataset = Dataset.open(arguments.dataset)
    if arguments.thread is not None:
        from threadmill.reports.thread import TreeLimits, read_thread, render_thread

        limits = TreeLimits(shutil.get_terminal_size((100, 24)).columns, arguments.replies, arguments.comments)
        lines = render_thread(read_thread(dataset, arguments.thread), limits)
    elif arguments.example is not None:
        lines = iter([render_example(find_example(dataset, arguments.example))])
    else:
        lines = summary(dataset, arguments.records)
    for line in lines:
        print(line)
    return 0


def _run_stats(arguments: argparse.Namespace) -> int:
    _check_count("subreddits", arguments.subreddits, 0)
    import orjson

    from threadmill.datasets.dataset import Dataset
    from threadmill.reports.figures import figures, figures_text

    for number, uri in enumerate(arguments.datasets):
        dataset = Dataset.open(uri)
        found = figures(dataset, arguments.subreddits)
        if arguments.json:
            print(orjson.dumps(found).decode())
            continue
        if number:
            print()
        for line in figures_text(dataset, found):
            print(line)
    return 0


def _run_diff(arguments: argparse.Namespace) -> int:
    from threadmill.datasets.dataset import Dataset
    from threadmill.reports.comparison import comparison

    before, after = Dataset.open(arguments.first), Dataset.open(arguments.second)
    for line in comparison(before, after, memory_limit(arguments)):
        print(line)
    return 0


def _check_count(name: str, count: int, least: int) -> None:
    if count < least:
        raise ConfigError(f"--{name} is {count}; it must be a whole number from {least}")
