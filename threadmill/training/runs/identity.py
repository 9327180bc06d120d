"""Which run a folder or a checkpoint belongs to: all that its losses depend on, by name."""

from collections.abc import Mapping

Identity = Mapping[str, str | int | float | bool]


def differences(owner: Identity, identity: Identity) -> str:
    """The entries in which two runs differ, in words; "" where they are the same."""
    names = [name for name in {**owner, **identity} if owner.get(name) != identity.get(name)]
    return ", ".join(f"{name} was {_short(owner.get(name))}, is {_short(identity.get(name))}" for name in names)


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text  # digests
