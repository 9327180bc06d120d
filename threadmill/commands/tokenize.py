"""threadmill tokenize: lines of text to token ids."""

import argparse

from threadmill.commands.options import Parsers, add_command


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    parser = add_command(
        parsers,
        "tokenize",
        "lines of standard input to token ids, one line for each",
        "threadmill tokenize --vocab /data/vocabulary < lines.txt > ids.txt",
        _run_tokenize,
    )
    parser.add_argument("--vocab", required=True, metavar="DIR", help="vocabulary dataset, or a folder with Google's vocab.txt")
    parser.add_argument("--cased", action="store_true", help="a bare vocab.txt is of cased text (default: lower-case first)")


def _run_tokenize(arguments: argparse.Namespace) -> int:
    import sys

    from threadmill.vocab.line_ids import write_ids
    from threadmill.vocab.vocabulary import Vocabulary

    write_ids(Vocabulary.load(arguments.vocab, cased=arguments.cased), sys.stdin.buffer, sys.stdout.buffer)
    return 0
