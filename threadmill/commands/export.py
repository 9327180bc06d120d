"""threadmill export."""

import argparse

from threadmill.commands.options import Parsers, add_allow_partial, add_command, add_settings, given_settings
from threadmill.training.export.formats import FORMATS, ExportConfig


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    parser = add_command(
        parsers,
        "export",
        "write a model in a format that other software loads",
        "threadmill export /data/reddit/2006-01/model --to huggingface --output /data/reddit/2006-01/huggingface",
        _run_export,
    )
    parser.add_argument("model", metavar="MODEL", help="the model's folder")
    parser.add_argument("--to", required=True, choices=tuple(FORMATS), help="format of the files")
    parser.add_argument("--output", required=True, metavar="DIR", help="the export's folder; made if it is not there")
    add_settings(parser, ExportConfig, without=("to",))
    add_allow_partial(parser)


def _run_export(arguments: argparse.Namespace) -> int:
    config = ExportConfig(**given_settings(ExportConfig, arguments))
    from threadmill.training.processes.preemption import leaving_at_sigterm

    with leaving_at_sigterm():
        from threadmill.training.export.stage import run_export

        run_export(arguments.model, arguments.output, config, allow_partial=arguments.allow_partial)
    return 0
