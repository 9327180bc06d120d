"""Tells folders that a run has not finished: no reader may take what lies in them for anything else."""

from threadmill.datasets import storage
from threadmill.datasets.lock import LOCK_NAME
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.errors import InputError

RECEIPTS = ".receipts"  # the folder of the tasks that are done, as long as others are not
PHASES = ".phases"  # the folder of the datasets between a stage's phases


def refuse_unfinished(uri: str) -> None:
    """Raises InputError where the folder ``uri`` has no manifest, but is being written, or was when its run was killed."""
    if storage.exists(storage.join(uri, MANIFEST_NAME)):
        return
    for mark in (RECEIPTS, LOCK_NAME):
        if storage.exists(storage.join(uri, mark)):
            raise InputError(
                f"{uri} is the output of a run that has not ended ({mark} is there); run it to its end first, or, where it is "
                "this run's own, name an output outside of the input"
            )
