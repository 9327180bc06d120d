"""threadmill generate."""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from threadmill.commands.options import Parsers, add_command, add_settings, given_settings
from threadmill.errors import InputError
from threadmill.training.generation.config import GenerationConfig

if TYPE_CHECKING:
    from threadmill.training.generation.replies import Replier

_TOGETHER = 64  # lines


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    parser = add_command(
        parsers,
        "generate",
        "replies of a trained conversational model, and continuations of a causal one: a dialogue in the terminal, or a reply "
        "line for each line of standard input, which is a context of turns with a tab between two, or JSON such as "
        '{"context": ["Hello.", "Hi!"]}',
        "threadmill generate /data/reddit/2006-01/model --beam-size 10 --min-length 5 < contexts.txt > replies.txt",
        _run_generate,
    )
    parser.add_argument("model", metavar="MODEL", help="the model's folder")
    add_settings(parser, GenerationConfig)


def _run_generate(arguments: argparse.Namespace) -> int:
    config = GenerationConfig(**given_settings(GenerationConfig, arguments))
    replier = _load(arguments.model, config)
    if sys.stdin.isatty():
        _talk(replier)
    else:
        _answer_lines(replier)
    return 0


def _load(uri: str, config: GenerationConfig) -> "Replier":
    from threadmill.training.generation.model_files import open_model

    files = open_model(uri)
    os.environ.update(KERAS_BACKEND=files.backend, TF_CPP_MIN_LOG_LEVEL="3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of functions that are compiled again for new lengths
    warnings.filterwarnings("ignore", module="keras")
    with _silent_errors():  # TensorFlow tells of its CPU and GPU at import, whatever its log level
        from threadmill.training.generation.replies import Replier

        return Replier(files, config)


class _silent_errors:
    """Standard error goes nowhere while this is entered; what C++ writes there too."""

    def __enter__(self) -> None:
        sys.stderr.flush()
        self._kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def __exit__(self, *_: object) -> None:
        sys.stderr.flush()
        os.dup2(self._kept, 2)
        os.close(self._kept)


def _talk(replier: "Replier") -> None:
    """A dialogue, until the end of input. The history is part of each context, as far as it fits."""
    import readline  # noqa: F401 (lets the lines be edited)

    print("Ctrl-D ends the dialogue, /reset begins a new one.", file=sys.stderr)
    history: list[str] = []
    number = 0
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            print()
            return
        if line == "/reset":
            history.clear()
        elif line:
            try:
                turns = [*history, line] if replier.conversational else [line]
                (replies,) = replier.answer([replier.read(turns, "the text")], number)
            except InputError as error:
                print(f"threadmill: {error}", file=sys.stderr)
                continue
            print("\n".join(replies), flush=True)
            history += [line, *replies[:1]]
            number += 1


def _answer_lines(replier: "Replier") -> None:
    """A line of replies, the best first and a tab between two, for each line of standard input, in order.

    Raises:
        InputError: a line is no context; those before it are answered.
    """
    from threadmill.training.generation.lines import parse_context

    number = 0
    for lines in _available_lines(sys.stdin.fileno()):
        contexts, wrong = [], None
        for place, line in enumerate(lines, number + 1):
            try:
                contexts.append(replier.read(parse_context(line, f"line {place}"), f"line {place}"))
            except InputError as error:
                wrong = error
                break
        for replies in replier.answer(contexts, number):
            print("\t".join(replies))
        sys.stdout.flush()
        if wrong:
            raise wrong
        number += len(lines)


def _available_lines(descriptor: int) -> Iterator[list[bytes]]:
    """The lines that have come, some at a time: who writes one and waits for its reply gets it."""
    rest = b""
    while block := os.read(descriptor, 1 << 16):
        *lines, rest = (rest + block).split(b"\n")
        for start in range(0, len(lines), _TOGETHER):
            yield lines[start : start + _TOGETHER]
    if rest:
        yield [rest]
