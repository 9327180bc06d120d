"""threadmill reddit, ingest, threads, conversations and sample: from dumps to conversations."""

import argparse
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

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
from threadmill.conversations.config import PRESETS, ConversationsConfig, ThreadsConfig, find_preset
from threadmill.corpora.reddit.config import IngestConfig, SourceConfig
from threadmill.datasets.storage import join
from threadmill.errors import ConfigError

if TYPE_CHECKING:
    from threadmill.datasets.manifest import Manifest

log = logging.getLogger(__name__)


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    _add_reddit(parsers)
    _add_ingest(parsers)
    _add_threads(parsers)
    _add_conversations(parsers)
    _add_sample(parsers)


def _add_reddit(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "reddit",
        "dumps of Reddit's comments to conversations: ingest, threads and conversations in one go",
        "threadmill reddit RC_2006-01.zst --output /data/reddit/2006-01 --preset polyai",
        _run_reddit,
    )
    _add_sources(parser)
    add_output(parser, "the folder in which the dataset `conversations` is made", refuses_partial=False)
    parser.add_argument(
        "--keep-stages",
        action="store_true",
        help="also make the datasets `comments` and `threads` there: slower, but a killed run goes on from their shards",
    )
    _add_preset(parser)
    add_memory_limit(parser)
    add_ledger(parser)
    add_settings(parser, SourceConfig, title="settings of the sources")
    _add_threads_settings(parser)
    _add_conversations_settings(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="RC_YYYY-MM or RS_YYYY-MM dump, or an export as CSV or Parquet: a path, an http(s) address (#sha256=... behind "
        "it is checked) or another URI; .zst, .bz2, .xz, .gz or plain, told by its content",
    )


def _add_preset(parser: argparse.ArgumentParser) -> None:
    described = "; ".join(f"{name}: {preset.description}" for name, preset in PRESETS.items())
    parser.add_argument(
        "--preset",
        default="default",
        metavar="NAME",
        help=f"where the settings start from, which flags then change: {described} (the defaults below are those of default)",
    )


def _add_threads_settings(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, find_preset("default").threads, title="settings of the threads")


def _add_conversations_settings(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, find_preset("default").conversations, title="settings of the conversations")


def _run_reddit(arguments: argparse.Namespace) -> int:
    preset = find_preset(arguments.preset)
    threads_config = replace(preset.threads, **given_settings(ThreadsConfig, arguments))
    conversations_config = replace(preset.conversations, **given_settings(ConversationsConfig, arguments))
    source_config = SourceConfig(**given_settings(SourceConfig, arguments))
    output = join(arguments.output, "conversations")
    if arguments.memory_limit and not arguments.keep_stages:
        raise ConfigError("--memory-limit is the warehouse's, which only --keep-stages uses; leave it out, or give both")
    if arguments.keep_stages:
        made = _run_stages(arguments, source_config, threads_config, conversations_config, output)
    else:
        from threadmill.engine.run import run_stage
        from threadmill.fusion.reddit import RedditConfig, RedditStage

        config = RedditConfig(**asdict(source_config), **asdict(threads_config), **asdict(conversations_config))
        stage = RedditStage(tuple(arguments.sources), config, arguments.workers, ledger=arguments.ledger)
        made = run_stage(stage, output)
    _tell_missing_titles(made, conversations_config)
    print(output)
    return 0


def _tell_missing_titles(made: "Manifest", config: ConversationsConfig) -> None:
    """Where titles are asked for and no submission is there, the examples are those without titles, silently."""
    if config.titles and not made.counters.dropped.get("submission"):
        log.warning("no submission is there, so no example has a title; add the month's RS_ dump to the sources")


def _run_stages(
    arguments: argparse.Namespace,
    source_config: SourceConfig,
    threads_config: ThreadsConfig,
    conversations_config: ConversationsConfig,
    output: str,
) -> "Manifest":
    from threadmill.conversations.stage import ConversationsStage
    from threadmill.conversations.threads import ThreadsStage
    from threadmill.corpora.reddit.ingest import IngestStage
    from threadmill.engine.run import run_stage

    comments, threads = join(arguments.output, "comments"), join(arguments.output, "threads")
    ingest = IngestStage(tuple(arguments.sources), IngestConfig(**asdict(source_config)), arguments.ledger)
    for stage, uri in (
        (ingest, comments),
        (ThreadsStage((comments,), threads_config, memory_limit(arguments)), threads),
        (ConversationsStage(threads, conversations_config), output),
    ):
        made = run_stage(stage, uri, workers=arguments.workers, allow_partial=source_config.keep_partial)
    return made


def _add_ingest(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "ingest",
        "dumps of Reddit's comments to Parquet shards of comments",
        "threadmill ingest RC_2006-01.zst --output /data/reddit/2006-01/comments",
        _run_ingest,
    )
    _add_sources(parser)
    add_output(parser, refuses_partial=False)
    add_ledger(parser)
    add_settings(parser, IngestConfig)


def _run_ingest(arguments: argparse.Namespace) -> int:
    from threadmill.corpora.reddit.ingest import IngestStage
    from threadmill.engine.run import run_stage

    config = IngestConfig(**given_settings(IngestConfig, arguments))
    stage = IngestStage(tuple(arguments.sources), config, arguments.ledger)
    run_stage(stage, arguments.output, workers=arguments.workers)
    return 0


def _add_threads(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "threads",
        "comments grouped by thread, split into train, validation and test",
        "threadmill threads /data/reddit/2005-12/comments /data/reddit/2006-01/comments --month 2006-01 "
        "--output /data/reddit/2006-01/threads",
        _run_threads,
    )
    parser.add_argument("comments", nargs="+", metavar="COMMENTS", help="comments dataset; the older before the newer")
    add_output(parser)
    _add_preset(parser)
    add_memory_limit(parser)
    add_ledger(parser)
    _add_threads_settings(parser)


def _run_threads(arguments: argparse.Namespace) -> int:
    config = replace(find_preset(arguments.preset).threads, **given_settings(ThreadsConfig, arguments))
    from threadmill.conversations.threads import ThreadsStage
    from threadmill.engine.run import run_stage

    stage = ThreadsStage(tuple(arguments.comments), config, memory_limit(arguments), arguments.ledger)
    run_stage(stage, arguments.output, workers=arguments.workers, allow_partial=arguments.allow_partial)
    return 0


def _add_conversations(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "conversations",
        "threads to context/response examples",
        "threadmill conversations /data/reddit/2006-01/threads --output /data/reddit/2006-01/conversations",
        _run_conversations,
    )
    parser.add_argument("threads", metavar="THREADS", help="threads dataset")
    add_output(parser)
    _add_preset(parser)
    _add_conversations_settings(parser)


def _run_conversations(arguments: argparse.Namespace) -> int:
    config = replace(find_preset(arguments.preset).conversations, **given_settings(ConversationsConfig, arguments))
    from threadmill.conversations.stage import ConversationsStage
    from threadmill.engine.run import run_stage

    made = run_stage(
        ConversationsStage(arguments.threads, config),
        arguments.output,
        workers=arguments.workers,
        allow_partial=arguments.allow_partial,
    )
    _tell_missing_titles(made, config)
    return 0


def _add_sample(parsers: Parsers) -> None:
    parser = add_command(
        parsers,
        "sample",
        "months of made-up dumps with the shapes of real ones",
        "threadmill sample --comments 100000 --months 2 --output /data/sample",
        _run_sample,
    )
    parser.add_argument("--comments", type=int, required=True, metavar="N", help="comments in all")
    parser.add_argument("--months", type=int, default=1, metavar="M", help="months over which they are spread (default: 1)")
    parser.add_argument("--start", default="2006-01", metavar="YYYY-MM", help="the first month (default: 2006-01)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="another seed, another world (default: 7)")
    parser.add_argument(
        "--submissions", action="store_true", help="write the threads' submissions too, RS_YYYY-MM.zst: titles and self-texts"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="the folder of the RC_YYYY-MM.zst files")


def _run_sample(arguments: argparse.Namespace) -> int:
    from threadmill.corpora.sample import write_sample

    paths = write_sample(
        arguments.output,
        comments=arguments.comments,
        months=arguments.months,
        start=arguments.start,
        seed=arguments.seed,
        submissions=arguments.submissions,
    )
    for path in paths:
        print(path)
    return 0
