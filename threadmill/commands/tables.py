"""threadmill tables: from monthly tables of DuckDB or BigQuery to comments."""

import argparse

from threadmill.commands.options import (
    Parsers,
    add_command,
    add_ledger,
    add_memory_limit,
    add_output,
    add_settings,
    given_settings,
    memory_limit,
)


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    from threadmill.corpora.reddit.config import TablesConfig

    parser = add_command(
        parsers,
        "tables",
        "monthly tables of comments in DuckDB or BigQuery to Parquet shards of comments",
        "threadmill tables reddit.duckdb --dataset reddit_comments --pattern '^2015_' --output /data/reddit/2015/comments",
        _run_tables,
    )
    parser.add_argument(
        "database", metavar="DATABASE", help="DuckDB file, or bigquery:PROJECT, such as bigquery:fh-bigquery; it is only read"
    )
    add_output(parser, refuses_partial=False)
    add_memory_limit(parser)
    add_ledger(parser)
    add_settings(parser, TablesConfig)


def _run_tables(arguments: argparse.Namespace) -> int:
    from threadmill.corpora.reddit.config import TablesConfig
    from threadmill.corpora.reddit.tables import TablesStage
    from threadmill.engine.run import run_stage

    config = TablesConfig(**given_settings(TablesConfig, arguments))
    stage = TablesStage(arguments.database, config, memory_limit(arguments), arguments.ledger)
    run_stage(stage, arguments.output, workers=arguments.workers)
    return 0
