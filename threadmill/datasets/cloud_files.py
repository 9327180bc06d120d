"""Cloud Storage as a filesystem of fsspec, read only: for libraries such as DuckDB, which take one for gs://."""

import contextvars
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from fsspec.spec import AbstractFileSystem

from threadmill.datasets.cloud_streams import Found, ObjectReader, find
from threadmill.errors import InputError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_Result = TypeVar("_Result")
_BUFFER_BYTES = 256 * 1024


class CloudFiles(AbstractFileSystem):  # type: ignore[misc]
    """The objects of gs://, read by our streams with the credentials of who made this, in whatever thread.

    Attributes:
        fault: the last error, which the library may hand on as no more than a text.
    """

    protocol = "gs"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._context = contextvars.copy_context()
        self.fault: Exception | None = None

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Name, size and type of an object.

        Raises:
            FileNotFoundError: no such object.
        """
        uri = self.unstrip_protocol(path)
        found = self._run(lambda: self._find(uri))
        return {"name": self._strip_protocol(path), "size": found.size, "type": "file", "generation": found.generation}

    def modified(self, path: str) -> datetime:
        """A time that stays, as nobody asks after ours."""
        return datetime(2000, 1, 1, tzinfo=UTC)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        uri = self.unstrip_protocol(path)
        return self._run(lambda: io.BufferedReader(_Reader(self, uri, self._find(uri)), _BUFFER_BYTES))

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> list[str]:
        """The path itself, for names are no patterns here."""
        return [path]

    def _find(self, uri: str) -> Found:
        found = find(uri)
        if found is None:
            raise InputError(f"{uri} does not exist; make its dataset again, or restore the file")
        return found

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keeps an error of the block."""
        try:
            yield
        except Exception as error:
            self.fault = error
            raise

    def _run(self, function: Callable[[], _Result]) -> _Result:
        with self.noted():
            return self._context.copy().run(function)  # one context cannot be entered by two threads at once


class _Reader(ObjectReader):
    def __init__(self, files: CloudFiles, uri: str, found: Found) -> None:
        super().__init__(uri, found)
        self._files = files

    def readinto(self, buffer: "WriteableBuffer") -> int:
        with self._files.noted():
            return super().readinto(buffer)
