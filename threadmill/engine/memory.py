"""Freed memory, and when the system gets it back."""

import ctypes
from contextlib import suppress


def return_freed_memory() -> None:
    """Hands memory that was freed back to the system, where the C library can (glibc's malloc_trim).

    glibc keeps what many threads have freed, for each of them apart, so a stage of several phases would pay for the worst of
    each of them at once. Costs milliseconds, and page faults where the memory is wanted again: for the end of a phase.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
