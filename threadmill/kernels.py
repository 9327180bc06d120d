"""The decorator of compiled loops: numba without the interpreter lock, cached on disk, and never stale.

numba's cache holds what was compiled until the kernel's own file changes; but a kernel holds copies of what it calls from
other modules. So the shared modules' sources are part of every kernel's stamp.
"""

import hashlib
from pathlib import Path
from typing import Any

from numba import njit

_SHARED = ("randomness.py", "datasets/crc32c.py", "vocab/chunk_memory.py", "kernels.py")


def _digest() -> bytes:
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join(folder.joinpath(name).read_bytes() for name in _SHARED)).digest()


_STAMP = _digest()


def kernel(function: Any) -> Any:
    """Compiles a loop over arrays at its first call; threads run it side by side.

    What it calls must be in its own module, or in one of the shared ones.
    """
    compiled: Any = njit(nogil=True, cache=True)(function)
    file = compiled._cache._cache_file
    file._source_stamp = (file._source_stamp, _STAMP)
    return compiled


def inlined(function: Any) -> Any:
    """Makes a small loop part of each kernel that calls it, where a call for every word would be dear.

    A call counts the references to the arrays that it is given, one atomic operation each.
    """
    return njit(nogil=True, inline="always")(function)
