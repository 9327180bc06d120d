"""threadmill dialogues: dialogue sets made elsewhere to a dataset of conversations."""

import argparse

from threadmill.commands.options import Parsers, add_command, add_output, add_settings, given_settings
from threadmill.corpora.dialogues.config import DialoguesConfig


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommand."""
    parser = add_command(
        parsers,
        "dialogues",
        "dialogue sets made elsewhere to context/response examples, to fine-tune a conversational model on",
        "threadmill dialogues blended_skill_talk_train.txt blended_skill_talk_valid.txt --output /data/dialogues",
        _run,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a file in ParlAI's text format or of conversations as JSON lines or TFRecords, plain or compressed (.gz, .zst, "
        ".bz2, .xz, told by its content), a folder of them, or an http(s) address",
    )
    add_output(parser, refuses_partial=False)
    add_settings(parser, DialoguesConfig)


def _run(arguments: argparse.Namespace) -> int:
    config = DialoguesConfig(**given_settings(DialoguesConfig, arguments))
    from threadmill.corpora.dialogues.stage import DialoguesStage
    from threadmill.engine.run import run_stage

    run_stage(DialoguesStage(arguments.sources, config), arguments.output, workers=arguments.workers)
    return 0
