"""Where rules come from that are not code of this package: files of names, shipped lists, functions of the user's own."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from threadmill.datasets import storage
from threadmill.errors import ConfigError

_SHIPPED = Path(__file__).with_name("rules")
SHIPPED_LISTS = {"@known-bots": "known_bots.txt", "@non-english": "non_english_subreddits.txt"}


@dataclass(frozen=True)
class UserRule:
    """A rule of the user's own, as it is written in the setting `rules`.

    Attributes:
        module: a dotted name, or the path of a file that ends with .py.
        function: of that module.
    """

    module: str
    function: str

    @property
    def is_file(self) -> bool:
        """The module is named by its path."""
        return self.module.endswith(".py")

    def source(self) -> str:
        """The path of the module's source; nothing is imported to find it.

        Raises:
            ConfigError: there is no such module, or it is no Python source.
        """
        path = self.module if self.is_file else _origin(self.module)
        if not path or not os.path.isfile(path):
            raise ConfigError(
                f"rules names {self.module}:{self.function}, but there is no such module; "
                "name one that Python can import (package.module:function), or a file (path/to/file.py:function)"
            )
        return path


def _origin(module: str) -> str | None:
    """The source of a dotted module, found without running its packages."""
    places: list[str] | None = None
    spec: ModuleSpec | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or [])
    return spec.origin if spec is not None and (spec.origin or "").endswith(".py") else None


def user_rules(setting: str) -> tuple[UserRule, ...]:
    """The rules that the setting `rules` names, in order.

    Raises:
        ConfigError: one is not written as MODULE:FUNCTION, or two have one name.
    """
    found = []
    for entry in _entries(setting):
        module, _, function = entry.rpartition(":")
        if not module or not function.isidentifier():
            raise ConfigError(f"rules names {entry!r}; write it as package.module:function or path/to/file.py:function")
        found.append(UserRule(module, function))
    names = [rule.function for rule in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"rules names two functions {name}; rename one, for their counters have the functions' names")
    return tuple(found)


def is_path(entry: str) -> bool:
    """True where an entry of a list of names is a file: names hold no point and no slash, but in r/ and u/."""
    return "/" in _bare(entry) or "." in entry


@lru_cache(maxsize=16)
def names_of(setting: str, digests: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """The names, in lower case, that a setting lists or that stand in the files and shipped lists it names.

    Args:
        digests: the config's rule_digests, which tell what the files have to hold.

    Raises:
        ConfigError: a file is missing, no text, or has changed.
    """
    names: set[str] = set()
    for entry in _entries(setting):
        if entry in SHIPPED_LISTS or is_path(entry):
            names.update(line.lower() for line in lines_of(entry, digests))
        else:
            names.add(_bare(entry).lower())
    return frozenset(names)


def lines_of(entry: str, digests: tuple[tuple[str, str], ...]) -> list[str]:
    """The lines of a file or a shipped list, stripped; blank ones and those that begin with # left out.

    Raises:
        ConfigError: the file is missing, no text, or not the one of ``digests``.
    """
    data = content(entry)
    check_unchanged(entry, data, digests)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{entry} is no UTF-8 text (byte {error.start}); save it as UTF-8, one name a line") from None
    stripped = (line.strip() for line in text.splitlines())
    return [_bare(line) for line in stripped if line and not line.startswith("#")]


def check_unchanged(entry: str, data: bytes, digests: tuple[tuple[str, str], ...]) -> None:
    """Raises ConfigError where what ``entry`` holds is not what it held when the config was made."""
    if hashlib.sha256(data).hexdigest() != dict(digests)[entry]:
        raise ConfigError(f"{entry} was changed while the run went on; start it again, and it makes a dataset by the new rule")


def _bare(name: str) -> str:
    """A name as people write it, /r/news or u/someone, without what is no part of it."""
    bare = name.removeprefix("/")
    return bare[2:] if bare[:2].lower() in ("r/", "u/") else bare


def list_digests(setting: str) -> Iterator[tuple[str, str]]:
    """Each file and shipped list that a list of names refers to, with the SHA-256 of its content.

    Raises:
        ConfigError: a file is missing, or there is no such shipped list.
    """
    for entry in _entries(setting):
        if entry.startswith("@") and entry not in SHIPPED_LISTS:
            raise ConfigError(f"there is no list {entry}; use one of {', '.join(SHIPPED_LISTS)}, names, or a file of names")
        if entry in SHIPPED_LISTS or is_path(entry):
            yield entry, digest(entry)


def digest(entry: str) -> str:
    """SHA-256 (hex) of a file or a shipped list.

    Raises:
        ConfigError: the file is missing.
    """
    return hashlib.sha256(content(entry)).hexdigest()


def content(entry: str) -> bytes:
    """The bytes of a file or of a shipped list.

    Raises:
        ConfigError: the file is missing.
    """
    if entry in SHIPPED_LISTS:
        return _shipped(SHIPPED_LISTS[entry])
    try:
        with storage.open_read(entry) as stream:
            return stream.read()
    except OSError as error:
        raise ConfigError(f"{entry} cannot be read ({error.strerror or error}); check the path") from None


@cache
def _shipped(name: str) -> bytes:
    return (_SHIPPED / name).read_bytes()


def _entries(setting: str) -> list[str]:
    return [entry.strip() for entry in setting.split(",") if entry.strip()]
