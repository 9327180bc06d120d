"""Rules of the user's own: functions that are named in the settings, run over the comments like any other rule."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rule_sources import UserRule, check_unchanged, content, user_rules
from threadmill.errors import ConfigError

# What a rule may look at: of each comment, whole and in its final form (unescaped, masked).
COLUMNS = ("id", "thread_id", "parent_id", "parent_kind", "subreddit", "author", "body", "score", "created_utc", "removal")


def broken(comments: pl.DataFrame, config: ConversationsConfig) -> list[pl.Series]:
    """For each rule that ``config`` names, in order, whether each of n comments breaks it: Boolean[n] without null.

    A rule is a function of a frame with the COLUMNS (texts as String, score as Int64, created_utc as Datetime in UTC) that
    returns a polars Series, NumPy array or list of n booleans: True where a comment must not be a turn; null is no breach.
    It is given comments in pieces of any size and any order, so it must judge each row alone.

    Raises:
        ConfigError: a rule is not there, fails, or returns something else.
    """
    view = comments.select(COLUMNS)
    return [_run(rule, _loaded(rule, config.rule_digests), view) for rule in user_rules(config.rules)]


def _run(rule: UserRule, function: Callable[[pl.DataFrame], Any], comments: pl.DataFrame) -> pl.Series:
    where = f"rule {rule.module}:{rule.function}"
    try:
        result = function(comments)
    except Exception as error:
        raise ConfigError(f"{where} failed: {_in_a_line(error)}; mend the function, or leave the rule out") from error
    series = _booleans(result)
    if series is None:
        kind = f"a series of {result.dtype}" if isinstance(result, pl.Series | np.ndarray) else type(result).__name__
        raise ConfigError(f"{where} returned {kind}; return a boolean series, array or list: True where a comment is no turn")
    if len(series) != comments.height:
        raise ConfigError(f"{where} returned {len(series)} values for {comments.height} comments; return one for each")
    return series.fill_null(False)


def _booleans(result: Any) -> pl.Series | None:
    """The result as a series of booleans; None where it is no such thing.

    Without comments, or with nothing but null, series and arrays that were made of a list do not know that they are boolean.
    """
    if isinstance(result, np.ndarray) and result.ndim == 1 and (result.dtype == np.bool_ or not result.size):
        return pl.Series(result, dtype=pl.Boolean)
    if isinstance(result, list) and all(value is None or isinstance(value, bool | np.bool_) for value in result):
        return pl.Series(result, dtype=pl.Boolean)
    known = isinstance(result, pl.Series) and result.dtype in (pl.Boolean, pl.Null)
    return result.cast(pl.Boolean) if known else None


@cache
def _loaded(rule: UserRule, digests: tuple[tuple[str, str], ...]) -> Callable[[pl.DataFrame], Any]:
    """The rule's function, from the source that ``digests`` tell of.

    Raises:
        ConfigError: the source has changed since, cannot be imported, or has no such function.
    """
    path = rule.source()
    check_unchanged(rule.module, content(path), digests)
    try:
        module = _from_file(path, dict(digests)[rule.module]) if rule.is_file else importlib.import_module(rule.module)
    except Exception as error:
        raise ConfigError(f"{path} cannot be imported: {_in_a_line(error)}; mend it, or leave the rule out") from error
    function = getattr(module, rule.function, None)
    if not callable(function):
        raise ConfigError(f"{path} has no function {rule.function}; name one of its functions in rules")
    return function  # type: ignore[no-any-return]


def _from_file(path: str, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"threadmill_rule_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError("it is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there while it is run
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return module


def _in_a_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
