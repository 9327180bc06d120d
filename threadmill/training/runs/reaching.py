"""Faults of the place where a run keeps its state, disk or bucket, as one error that names it and what to do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from threadmill.errors import CheckpointError, ThreadmillError


@contextmanager
def reaching(failure: str, state: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Turns a fault within the block into a `CheckpointError`; our own errors pass.

    Args:
        failure: what does not work then, with its place.
        state: tells what there is to go on from.
    """
    try:
        yield
    except ThreadmillError:
        raise
    except Exception as error:  # of the disk, of the network, of sign-in: each client of a store has its own
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CheckpointError(
            f"{failure} ({reason}); {state()}see that the place is there, can be written and has room, then run the same again "
            "to go on"
        ) from error
