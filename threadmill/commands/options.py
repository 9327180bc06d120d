"""What subcommands share: flags made from a config's settings, the help's layout, the stages' common flags."""

import argparse
from collections.abc import Callable
from typing import Any

from threadmill.config import Setting, pick_settings, settings_of
from threadmill.errors import ConfigError

Parsers = Any  # argparse's type of add_subparsers() has no public name
Run = Callable[[argparse.Namespace], int]


def add_command(parsers: Parsers, name: str, help: str, example: str, run: Run) -> argparse.ArgumentParser:
    """A subcommand whose --help ends with an example."""
    parser: argparse.ArgumentParser = parsers.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="print errors and results only")
    parser.set_defaults(run=run)
    return parser


def add_settings(parser: argparse.ArgumentParser, config: Any, *, title: str = "settings", without: tuple[str, ...] = ()) -> None:
    """A flag for each setting of ``config``, a class or an instance whose values are shown; one that is not given is None."""
    group = parser.add_argument_group(title)
    for setting in settings_of(config):
        if setting.name not in without:
            _add_setting(group, setting)


def _add_setting(group: Any, setting: Setting) -> None:
    flag = "--" + setting.name.replace("_", "-")
    help = (_as_flag(setting.help) + _default(setting.default)).replace("%", "%%")
    if isinstance(setting.default, bool):
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=help)
        return
    kind = type(setting.default)
    group.add_argument(flag, type=kind, choices=setting.choices or None, metavar=_metavar(kind, setting), help=help)


def _as_flag(help: str) -> str:
    """As the flags' own helps are written: they begin with a small letter."""
    rest = help.split()[0][1:]
    return help[0].lower() + help[1:] if rest == rest.lower() else help  # not HTML


def _default(value: Any) -> str:
    if value == "":  # its help says what nothing means
        return ""
    return f" (default: {('no', 'yes')[value] if isinstance(value, bool) else value})"


def _metavar(kind: type, setting: Setting) -> str | None:
    return None if setting.choices else {int: "N", float: "X"}.get(kind, setting.name.split("_")[-1].upper())


def add_output(
    parser: argparse.ArgumentParser,
    help: str = "the dataset's folder; made if it is not there",
    *,
    refuses_partial: bool = True,
) -> None:
    """--output, --workers and, where the stage reads datasets and ``refuses_partial`` ones, --allow-partial."""
    parser.add_argument("--output", required=True, metavar="DIR", help=help)
    parser.add_argument("--workers", type=worker_count, metavar="N", help="processes at most (default: one a core)")
    if refuses_partial:
        add_allow_partial(parser)


def add_allow_partial(parser: argparse.ArgumentParser) -> None:
    """--allow-partial."""
    parser.add_argument(
        "--allow-partial", action="store_true", help="take datasets made from incomplete input, and mark the result alike"
    )


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """--ledger, as stages that read comments have it."""
    parser.add_argument(
        "--ledger", default="", metavar="FILE", help="takedown ledger: leave out the comments and authors that it names"
    )


def add_memory_limit(parser: argparse.ArgumentParser) -> None:
    """--memory-limit, as stages that use the warehouse have it."""
    parser.add_argument(
        "--memory-limit",
        metavar="SIZE",
        help="what the warehouse may hold before it spills to disk, such as 1GB (default: THREADMILL_MEMORY_LIMIT)",
    )


def memory_limit(arguments: argparse.Namespace) -> str:
    """The limit given, or the deployment's."""
    if arguments.memory_limit:
        return str(arguments.memory_limit)
    from threadmill.settings import get_settings

    return get_settings().memory_limit


def given_settings(config: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of ``config`` that were given as flags."""
    return pick_settings(config, vars(arguments))


def worker_count(text: str) -> int:
    """A flag's text as a number of processes, 1 at least."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ConfigError(f"--workers is {text}; it must be a whole number from 1")
    return number
