"""The error of a run that finds no accelerator anywhere, and what tells a place that has none."""

from threadmill.errors import ThreadmillError


class NoCapacityError(ThreadmillError):
    """There is no such accelerator in a place now: another place may have one."""


def no_capacity_message(message: str, place: str) -> str:
    """Of the error after the last place was asked."""
    return (
        f"no place has an accelerator for the run now (asked last: {place}: {message}); run it again later, name more zones "
        "in THREADMILL_TPU_ZONES or another THREADMILL_TPU_TYPE, or ask for more quota"
    )
