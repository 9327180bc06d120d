"""Which run a folder or a checkpoint belongs to: all that its losses depend on, by name."""

from collections.abc import Mapping

_DIGEST_LETTERS, _SHOWN_LETTERS = 64, 12

Identity = Mapping[str, str | int | float | bool]


def differences(owner: Identity, identity: Identity) -> str:
    """The entries in which two runs differ, in words; "" where they are the same."""
    both = {name: (owner.get(name), identity.get(name)) for name in {**owner, **identity}}
    return in_words({name: (was, now) for name, (was, now) in both.items() if was != now})


def in_words(differing: Mapping[str, tuple[object, object]]) -> str:
    """What differs, by name: what it was and what it is; of digests the first letters."""
    return ", ".join(f"{name} was {_short(was)}, is {_short(now)}" for name, (was, now) in differing.items())


def _short(value: object) -> str:
    text = str(value)
    return text[:_SHOWN_LETTERS] if len(text) == _DIGEST_LETTERS else text
