"""The shell: ``threadmill COMMAND``. Errors a user can act on are one line and exit status 2; 130 after Ctrl-C, 75 pre-empted."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from threadmill import __version__
from threadmill.commands import (
    corpus,
    datasets,
    deduplication,
    dialogues,
    doctor,
    export,
    generate,
    inspect,
    plan,
    pretraining,
    recipes,
    reddit,
    reports,
    tables,
    takedown,
    tokenize,
    training,
    views,
    vocabulary,
)
from threadmill.errors import ConfigError, PreemptedError, ThreadmillError

_AREAS = (
    reddit,
    tables,
    takedown,
    deduplication,
    corpus,
    dialogues,
    vocabulary,
    tokenize,
    pretraining,
    recipes,
    inspect,
    training,
    generate,
    export,
    reports,
    views,
    datasets,
    plan,
    doctor,
)


class _Parser(argparse.ArgumentParser):
    """Wrong arguments are one line too, as all errors are."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `{self.prog} --help`")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = _Parser(
        prog="threadmill",
        description="From raw text to trained language models: every stage from the shell.",
        epilog="`threadmill COMMAND --help` shows an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"threadmill {__version__}")
    parser.add_argument("--quiet", action="store_true", help="print errors and results only")
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for area in _AREAS:
        area.add_parsers(parsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    try:
        arguments = build_parser().parse_args(argv)
        level = logging.WARNING if arguments.quiet else logging.INFO
        logging.basicConfig(level=level, stream=sys.stderr, format="%(message)s")
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads has seen enough, as `threadmill show DATASET | head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except PreemptedError as error:
        print(f"threadmill: {error}", file=sys.stderr)
        return error.exit_code
    except ThreadmillError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(
            f"{error.filename or 'a file'}: {error.strerror or error}; check that it is there, writable and has room"
        )
    except KeyboardInterrupt:
        print("threadmill: stopped; run the same command again to go on from here", file=sys.stderr)
        return 130


def _complain(message: str) -> int:
    print(f"threadmill: error: {message}", file=sys.stderr)
    return 2


def run() -> NoReturn:
    """The console script: `main`, then the end of the process at once.

    To take the interpreter apart after gigabytes of work costs up to half a second, and all that was to be written is.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # text of any language, in whatever encoding the terminal has
        sys.stdout.reconfigure(errors="backslashreplace")
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
