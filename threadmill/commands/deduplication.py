"""threadmill deduplicate: conversations less their duplicates."""

import argparse

from threadmill.commands.options import (
    Parsers,
    add_command,
    add_memory_limit,
    add_output,
    add_settings,
    given_settings,
    memory_limit,
)
from threadmill.deduplication.config import DeduplicationConfig


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommand."""
    parser = add_command(
        parsers,
        "deduplicate",
        "conversations less the examples of which an earlier one, of any month, is a duplicate",
        "threadmill deduplicate /data/reddit/2006-02/conversations --signatures /data/reddit/2006-02/signatures "
        "--earlier /data/reddit/2006-01/signatures --output /data/reddit/2006-02/deduplicated",
        _run,
    )
    parser.add_argument("conversations", metavar="CONVERSATIONS", help="conversations dataset")
    parser.add_argument(
        "--signatures", required=True, metavar="DIR", help="the folder of its signatures; made where they are not there, or old"
    )
    parser.add_argument("--earlier", nargs="+", default=[], metavar="SIGNATURES", help="signatures of the months before")
    add_output(parser)
    add_memory_limit(parser)
    add_settings(parser, DeduplicationConfig)


def _run(arguments: argparse.Namespace) -> int:
    from threadmill.deduplication.deduplicate import DeduplicateStage
    from threadmill.deduplication.signatures import SignaturesStage
    from threadmill.engine.run import run_stage

    config = DeduplicationConfig(**given_settings(DeduplicationConfig, arguments))
    common = {"workers": arguments.workers, "allow_partial": arguments.allow_partial}
    run_stage(SignaturesStage(arguments.conversations, config), arguments.signatures, **common)
    stage = DeduplicateStage(
        arguments.conversations, arguments.signatures, tuple(arguments.earlier), config, memory_limit(arguments)
    )
    run_stage(stage, arguments.output, **common)
    return 0
