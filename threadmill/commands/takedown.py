"""threadmill ledger and takedown: opt-outs, and their way out of datasets."""

import argparse
from typing import TYPE_CHECKING

from threadmill.commands.options import Parsers, add_command, worker_count
from threadmill.errors import ConfigError

if TYPE_CHECKING:
    from threadmill.takedown.ledger import Ledger
    from threadmill.takedown.release import Outcome


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    _add_ledger(parsers)
    _add_takedown(parsers)


def _add_ledger(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "ledger",
        "add opt-outs to a takedown ledger, and tell its size and digest; of an author it holds the hash of the name",
        "threadmill ledger /data/takedown.csv --id t1_c0fxyz --author some_name",
        _run_ledger,
    )
    parser.add_argument("ledger", metavar="LEDGER", help="CSV file; made if it is not there")
    parser.add_argument(
        "--id",
        action="append",
        default=[],
        dest="ids",
        metavar="ID",
        help="t1_ID or ID: a comment; t3_ID: a submission; may be repeated",
    )
    parser.add_argument(
        "--author",
        action="append",
        default=[],
        dest="authors",
        metavar="NAME",
        help="all that this author wrote; may be repeated",
    )


def _run_ledger(arguments: argparse.Namespace) -> int:
    from threadmill.datasets import storage
    from threadmill.takedown.entries import write_csv
    from threadmill.takedown.ledger import Ledger

    added = _added(arguments)
    is_new = len(added) and not storage.exists(arguments.ledger)
    ledger = added if is_new else Ledger.load(arguments.ledger)
    both = Ledger(ledger.ids | added.ids, ledger.authors | added.authors)
    if is_new or len(both) > len(ledger):
        if not arguments.ledger.lower().endswith(".csv"):
            raise ConfigError(f"{arguments.ledger} is no .csv file, to which alone entries are added; name one")
        write_csv(arguments.ledger, both.entries().iter_rows())
    print(f"{arguments.ledger}: {len(both.ids):,} ids, {len(both.authors):,} authors, digest {both.digest}")
    return 0


def _added(arguments: argparse.Namespace) -> "Ledger":
    from threadmill.takedown.entries import Entry, Place
    from threadmill.takedown.ledger import Ledger, author_hash

    entries = [Entry("id", name) for name in arguments.ids]
    names = [name.strip().removeprefix("/").removeprefix("u/") for name in arguments.authors]
    if not all(names):
        raise ConfigError("--author is empty; give the name of an account")
    entries += [Entry("author", author_hash(name)) for name in names]
    return Ledger.of((Place("the command line", number, "opt-out"), entry) for number, entry in enumerate(entries, 1))


def _add_takedown(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "takedown",
        "take what a ledger names out of datasets of comments, threads and conversations that are there already",
        "threadmill takedown /data/takedown.csv /data/reddit --dry-run",
        _run_takedown,
    )
    parser.add_argument("ledger", metavar="LEDGER", help=".csv, .jsonl or .parquet file with the columns kind and value")
    parser.add_argument("datasets", nargs="+", metavar="DATASET", help="a dataset, or a folder: all datasets below it")
    parser.add_argument("--dry-run", action="store_true", help="tell what would change, and change nothing")
    parser.add_argument("--workers", type=worker_count, metavar="N", help="processes at most (default: one a core)")


def _run_takedown(arguments: argparse.Namespace) -> int:
    from threadmill.takedown.ledger import Ledger
    from threadmill.takedown.release import datasets_of, made_from_old_releases, take_down

    ledger = Ledger.load(arguments.ledger)
    for uri in datasets_of(arguments.datasets):
        found = take_down(uri, ledger, workers=arguments.workers, dry=arguments.dry_run)
        print(_line(found, "to write" if arguments.dry_run else "written"), flush=True)
    for uri in made_from_old_releases(arguments.datasets):
        print(f"{uri}: made from the release before; run its stage again")
    return 0


def _line(found: "Outcome", written: str) -> str:
    if not found.rewritten and not found.emptied:
        return f"{found.uri}: nothing to do"
    went = f"{found.dropped:,} taken down" + (f", {found.cut:,} cut short" if found.cut else "")
    went += f", {found.emptied:,} dead letters without their text" if found.emptied else ""
    return f"{found.uri}: {went}; {found.rewritten:,} of {found.shards:,} shards {written}"
