"""threadmill records: from any corpora to pretraining records of one objective."""

import argparse
import logging

from threadmill.commands.options import Parsers, add_command, add_output, add_settings, given_settings
from threadmill.config import settings_of
from threadmill.errors import ConfigError
from threadmill.pretraining.config import CONFIGS, RecordsConfig

log = logging.getLogger(__name__)

_OF_ALL = ("max_seq_length", "max_predictions_per_seq")  # the shell's contract has them, whether an objective needs them or not


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommand."""
    parser = add_command(
        parsers,
        "records",
        "corpora to pretraining TFRecords",
        "threadmill records /data/books /data/reddit/2006-01/conversations --vocab /data/vocabulary --objective bert "
        "--max-seq-length 128 --max-predictions 20 --output /data/records",
        _run_records,
    )
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="text file, folder of them, or dataset of text or conversations"
    )
    parser.add_argument("--vocab", required=True, metavar="DIR", help="vocabulary dataset, or a folder with Google's vocab.txt")
    parser.add_argument("--objective", default="bert", choices=tuple(CONFIGS), help="what the records teach (default: bert)")
    parser.add_argument("--seed", dest="random_seed", type=int, metavar="N", help="the same as --random-seed")
    parser.add_argument(
        "--max-predictions", dest="max_predictions_per_seq", type=int, metavar="N", help="the same as --max-predictions-per-seq"
    )
    add_output(parser)
    add_settings(parser, RecordsConfig, title=f"settings of every objective ({_other_defaults()})")
    for title, config, names in _groups():
        others = tuple(setting.name for setting in settings_of(config) if setting.name not in names)
        add_settings(parser, config, title=f"settings of {title}", without=others)


def _groups() -> list[tuple[str, type[RecordsConfig], list[str]]]:
    """The settings that are not of all objectives, by the objectives that have them: these, one's class, the names."""
    common = {setting.name for setting in settings_of(RecordsConfig)}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, owners in _owners().items():
        if name not in common:
            groups.setdefault(owners, []).append(name)
    return [(", ".join(owners), CONFIGS[owners[0]], names) for owners, names in groups.items()]


def _other_defaults() -> str:
    """The objectives' defaults that are not the base's, which the flags' helps tell."""
    base = {setting.name: setting.default for setting in settings_of(RecordsConfig)}
    others: dict[str, list[str]] = {}
    for objective, config in CONFIGS.items():
        for setting in settings_of(config):
            if setting.default != base.get(setting.name, setting.default):
                others.setdefault(f"--{setting.name.replace('_', '-')} {setting.default}", []).append(objective)
    return "but for " + "; ".join(f"{value} by default for {', '.join(names)}" for value, names in others.items())


def _owners() -> dict[str, tuple[str, ...]]:
    """Setting -> the objectives that have it."""
    owners: dict[str, tuple[str, ...]] = {}
    for objective, config in CONFIGS.items():
        for setting in settings_of(config):
            owners[setting.name] = (*owners.get(setting.name, ()), objective)
    return owners


def _config(arguments: argparse.Namespace) -> RecordsConfig:
    """The objective's config; raises ConfigError for a setting of another one."""
    objective = arguments.objective
    for name, owners in _owners().items():
        if objective in owners or getattr(arguments, name) is None:
            continue
        flag = "--" + name.replace("_", "-")
        if name not in _OF_ALL:
            raise ConfigError(f"{flag} is a setting of {', '.join(owners)}; leave it out with --objective {objective}")
        log.warning("records: %s has no effect with --objective %s", flag, objective)
    config = CONFIGS[objective]
    return config(**given_settings(config, arguments))


def _run_records(arguments: argparse.Namespace) -> int:
    config = _config(arguments)
    from threadmill.engine.run import run_stage
    from threadmill.pretraining.stage import RecordsStage

    run_stage(
        RecordsStage(arguments.corpora, arguments.vocab, config),
        arguments.output,
        workers=arguments.workers,
        allow_partial=arguments.allow_partial,
    )
    return 0
