"""threadmill records: from conversations to pretraining records."""

import argparse

from threadmill.commands.options import Parsers, add_command, add_output, add_settings, given_settings
from threadmill.pretraining.config import BertConfig


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    _add_records(parsers)


def _add_records(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "records",
        "conversations to BERT's pretraining TFRecords",
        "threadmill records /data/reddit/2006-01/conversations --vocab /data/reddit/vocabulary --objective bert "
        "--max-seq-length 128 --output /data/reddit/2006-01/records",
        _run_records,
    )
    parser.add_argument("corpus", metavar="CORPUS", help="conversations dataset")
    parser.add_argument("--vocab", required=True, metavar="DIR", help="vocabulary dataset")
    parser.add_argument("--objective", default="bert", choices=("bert",), help="what the records teach (default: bert)")
    parser.add_argument("--seed", dest="random_seed", type=int, metavar="N", help="the same as --random-seed")
    add_output(parser)
    add_settings(parser, BertConfig)


def _run_records(arguments: argparse.Namespace) -> int:
    config = BertConfig(**given_settings(BertConfig, arguments))
    from threadmill.engine.run import run_stage
    from threadmill.pretraining.stage import RecordsStage

    run_stage(
        RecordsStage(arguments.corpus, arguments.vocab, config),
        arguments.output,
        workers=arguments.workers,
        allow_partial=arguments.allow_partial,
    )
    return 0
