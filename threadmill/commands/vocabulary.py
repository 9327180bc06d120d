"""threadmill vocab: subword vocabularies."""

import argparse

from threadmill.commands.options import Parsers, add_command, add_output, add_settings, given_settings
from threadmill.vocab.config import VocabularyConfig


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    vocab = parsers.add_parser("vocab", help="subword vocabularies", description="Subword vocabularies.")
    commands = vocab.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)


def _add_train(commands: Parsers) -> None:
    parser = add_command(
        commands,
        "train",
        "a vocabulary from a random sample of one or more corpora",
        "threadmill vocab train /data/books /data/reddit/2006-01/conversations --kind wordpiece --size 30000 "
        "--output /data/vocabulary",
        _run_train,
    )
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="text file, folder of them, or dataset of text or conversations"
    )
    parser.add_argument("--size", dest="vocab_size", type=int, metavar="N", help="entries at most (default: 8192)")
    add_output(parser)
    add_settings(parser, VocabularyConfig, without=("vocab_size",))


def _run_train(arguments: argparse.Namespace) -> int:
    config = VocabularyConfig(**given_settings(VocabularyConfig, arguments))
    from threadmill.engine.run import run_stage
    from threadmill.vocab.stage import VocabularyStage

    run_stage(
        VocabularyStage(arguments.corpora, config),
        arguments.output,
        workers=arguments.workers,
        allow_partial=arguments.allow_partial,
    )
    return 0
