"""threadmill corpus: text of any source to a corpus of one sentence a line."""

import argparse
from dataclasses import replace

from threadmill.commands.options import Parsers, add_command, add_output, add_settings, given_settings
from threadmill.corpora.text.config import PRESETS, CorpusConfig, find_preset


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommand."""
    parser = add_command(
        parsers,
        "corpus",
        "text of any source to shards of one sentence a line, with a blank line between documents",
        "threadmill corpus tweets.txt.gz --preset arabic --output /data/tweets/corpus",
        _run,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a file of text, JSON lines, Parquet or Amazon reviews, plain or compressed (.zst, .bz2, .xz, .gz, told by its "
        "content), a folder of them, an http(s) address, or a dataset that Hugging Face's save_to_disk wrote",
    )
    add_output(parser, refuses_partial=False)
    described = "; ".join(f"{name}: {preset.description}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset",
        default="default",
        metavar="NAME",
        help=f"where the settings start from, which flags then change: {described} (the defaults below are those of default)",
    )
    add_settings(parser, CorpusConfig)


def _run(arguments: argparse.Namespace) -> int:
    config = replace(find_preset(arguments.preset).config, **given_settings(CorpusConfig, arguments))
    from threadmill.corpora.text.stage import CorpusStage
    from threadmill.engine.run import run_stage

    run_stage(CorpusStage(arguments.sources, config, arguments.workers), arguments.output)
    return 0
