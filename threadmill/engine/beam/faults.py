"""What a worker's traceback, as a runner tells it, means to who launched the job."""

import re

from threadmill import errors
from threadmill.errors import RemoteWorkError, ThreadmillError

# The same task would meet these again, whoever does it.
_PERMANENT = ("ConfigError", "InputError", "IntegrityError", "GateError", "DivergenceError")
_OURS = re.compile(r"threadmill\.errors\.(\w+): (.+?)(?: \[while running .*)?$", re.MULTILINE)
_ANY = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Interrupt|Exit)\b.*?)(?: \[while running .*)?$", re.MULTILINE)
_LONGEST = 600


def worker_fault(text: str, what: str) -> ThreadmillError:
    """The error that a worker raised, found in the text of a runner, as one line.

    Args:
        text: a message with the worker's traceback in it, or any other.
        what: the job, for people.
    """
    ours = _OURS.findall(text)
    if ours:
        name, message = ours[-1]
        kind = getattr(errors, name) if name in _PERMANENT else RemoteWorkError
        raised: ThreadmillError = kind(f"{what}: {_line(message)}")
        return raised
    others = _ANY.findall(text)
    cause = others[-1] if others else next((line for line in reversed(text.splitlines()) if line.strip()), "no message")
    return RemoteWorkError(f"{what} failed: {_line(cause)}; run it again to do what is missing")


def _line(text: str) -> str:
    return " ".join(text.replace("\\n", " ").split())[:_LONGEST]
