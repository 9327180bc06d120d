"""A folder for numba's compiled kernels where neither the package's nor the user's can be written, as in containers."""

import os
import stat


def find_kernel_cache() -> None:
    """Sets NUMBA_CACHE_DIR where numba would find no folder, and so refuse to import a kernel.

    It looks beside the module, then in the user's cache (numba.core.caching). To come before numba it must be called early.
    """
    if os.environ.get("NUMBA_CACHE_DIR") or _is_writable(os.path.join(os.path.dirname(__file__), "__pycache__")):
        return
    if _is_writable(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))):
        return
    try:
        os.environ["NUMBA_CACHE_DIR"] = _own_folder()
    except OSError:  # nothing at all can be written, which whatever writes first says better
        return


def _is_writable(folder: str) -> bool:
    """True where ``folder`` can be written, or made."""
    if not os.path.isabs(folder):  # "~", of a user without a home
        return False
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def _own_folder() -> str:
    """A folder among the temporary ones that nobody else can write: what lies in it will be run."""
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"threadmill-kernels-{os.getuid()}")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            return tempfile.mkdtemp(prefix="threadmill-kernels-")
    return folder
