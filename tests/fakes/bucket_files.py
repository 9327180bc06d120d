"""The objects of a fake Cloud Storage: bytes as plain files ROOT/BUCKET/OBJECT, generations and checksums in memory.

A file that another process puts there or changes (bqemulator's exports) is an object too, of a new generation.
"""

import base64
import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import google_crc32c

_BLOCK = 1 << 20
_STAGING = ".uploads"  # no bucket's name begins with a dot


class Refusal(Exception):
    """What Cloud Storage refuses: HTTP status, reason (its own word), message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass
class Bucket:
    """A bucket: its labels, and where it is."""

    name: str
    location: str = "US"
    labels: dict[str, str] = field(default_factory=dict)
    metageneration: int = 1


@dataclass(frozen=True)
class StoredObject:
    """An object's live generation; checksums are base64 as in the API, ``md5`` is None for composed objects."""

    bucket: str
    name: str
    size: int
    crc32c: str
    md5: str | None
    generation: int
    metageneration: int = 1
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    components: int = 0
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))

    def check(self, received: Mapping[str, str]) -> None:
        """Refuses bytes that differ from the checksums sent with them (base64, by the names crc32c and md5)."""
        for kind, ours in (("crc32c", self.crc32c), ("md5", self.md5)):
            theirs = received.get(kind)
            if theirs and ours and theirs != ours:
                raise Refusal(
                    400, "invalid", f'Provided {kind.upper()} "{theirs}" doesn\'t match calculated {kind.upper()} "{ours}".'
                )


@dataclass(frozen=True)
class Preconditions:
    """What must be true of an object for a call to be done, as the parameters ifGenerationMatch and so on; None for anything."""

    generation: int | None = None
    generation_not: int | None = None
    metageneration: int | None = None
    metageneration_not: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], kind: str = "if") -> "Preconditions":
        """From a call's parameters; ``kind`` "ifSource" for those on the source of a copy."""
        names = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")
        return cls(*(int(query[kind + name]) if kind + name in query else None for name in names))

    def check(self, live: StoredObject | None, *, reading: bool = False) -> None:
        """Refuses with 412, or 304 where a reader has what there is."""
        generation, metageneration = (live.generation, live.metageneration) if live else (0, None)
        if self.generation is not None and self.generation != generation:
            raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        if self.metageneration is not None and self.metageneration != metageneration:
            raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        same = self.generation_not == generation
        if (self.generation_not is not None and same) or (live and self.metageneration_not == metageneration):
            raise Refusal(
                304 if reading else 412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."
            )


class Staged:
    """Bytes on their way to be an object: counted and digested as they come, never held in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[bytes] = open(path, "wb")  # noqa: SIM115 - closed by finish or discard
        self._crc32c, self._md5 = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, content: bytes) -> None:
        self._stream.write(content)
        self._crc32c.update(content)
        self._md5.update(content)
        self.size += len(content)

    def finish(self, target: Path) -> None:
        self._stream.close()
        os.replace(self._path, target)

    def discard(self) -> None:
        self._stream.close()
        self._path.unlink(missing_ok=True)

    @property
    def crc32c(self) -> str:
        return base64.b64encode(self._crc32c.digest()).decode()

    @property
    def md5(self) -> str:
        return base64.b64encode(self._md5.digest()).decode()


class BucketFiles:
    """All buckets and objects. Threads may use it side by side: each change is one step."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.buckets: dict[str, Bucket] = {}
        self._objects: dict[tuple[str, str], tuple[StoredObject, tuple[int, int, int]]] = {}
        self._lock = threading.RLock()
        self._counter = 0
        (root / _STAGING).mkdir(parents=True, exist_ok=True)

    def make_bucket(self, name: str, location: str = "US") -> Bucket:
        """A new bucket; 409 where it is there."""
        with self._lock:
            if name in self.buckets:
                raise Refusal(
                    409, "conflict", "Your previous request to create the named bucket succeeded and you already own it."
                )
            (self.root / name).mkdir(parents=True, exist_ok=True)
            return self.buckets.setdefault(name, Bucket(name, location))

    def bucket(self, name: str) -> Bucket:
        """A bucket; a folder below the root is one."""
        with self._lock:
            if name not in self.buckets and not name.startswith(".") and (self.root / name).is_dir():
                self.buckets[name] = Bucket(name)
            if name not in self.buckets:
                raise Refusal(404, "notFound", "The specified bucket does not exist.")
            return self.buckets[name]

    def stage(self) -> Staged:
        """A place for bytes to come."""
        return Staged(self.root / _STAGING / str(self._next()))

    def put(
        self, bucket: str, name: str, staged: Staged, conditions: Preconditions, received: Mapping[str, str], **attributes: Any
    ) -> StoredObject:
        """Makes staged bytes an object, replacing what is there; ``received``: checksums that they must have."""
        path = self._path(bucket, name)
        md5 = None if attributes.get("components") else staged.md5
        try:
            with self._lock:
                conditions.check(self.find(bucket, name))
                stored = StoredObject(bucket, name, staged.size, staged.crc32c, md5, self._next(), **attributes)
                stored.check(received)
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    staged.finish(path)
                except OSError as error:
                    raise Refusal(400, "invalid", f"the fake cannot keep {name} beside what is there: {error}") from error
                self._objects[bucket, name] = (stored, _mark(path))
                return stored
        finally:
            staged.discard()

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """The live object, or None."""
        path = self._path(bucket, name)
        with self._lock:
            try:
                mark = _mark(path) if path.is_file() else None
            except FileNotFoundError:
                mark = None
            if mark is None:
                self._objects.pop((bucket, name), None)
                return None
            known = self._objects.get((bucket, name))
            if known is None or known[1] != mark:
                known = self._objects[bucket, name] = (self._from_file(bucket, name, path), mark)
            return known[0]

    def get(self, bucket: str, name: str, generation: str | None = None) -> StoredObject:
        """The live object; 404 where there is none, or it is not of the generation asked for."""
        found = self.find(bucket, name)
        if found is None or (generation and int(generation) != found.generation):
            raise Refusal(404, "notFound", f"No such object: {bucket}/{name}")
        return found

    def open(self, bucket: str, name: str, conditions: Preconditions, generation: str | None) -> tuple[StoredObject, IO[bytes]]:
        """The object and its bytes, which stay as they are whoever replaces it meanwhile."""
        with self._lock:
            stored = self.get(bucket, name, generation)
            conditions.check(stored, reading=True)
            return stored, open(self._path(bucket, name), "rb")

    def delete(self, bucket: str, name: str, conditions: Preconditions, generation: str | None) -> StoredObject:
        """Removes an object."""
        with self._lock:
            stored = self.get(bucket, name, generation)
            conditions.check(stored)
            path = self._path(bucket, name)
            path.unlink()
            del self._objects[bucket, name]
            for folder in path.parents:
                if folder == self.root / bucket or any(folder.iterdir()):
                    break
                folder.rmdir()
            return stored

    def update(self, bucket: str, name: str, conditions: Preconditions, metadata: Mapping[str, str | None]) -> StoredObject:
        """Changes an object's own metadata; a value of None removes its key."""
        with self._lock:
            stored = self.get(bucket, name)
            conditions.check(stored)
            merged = {key: value for key, value in {**stored.metadata, **metadata}.items() if value is not None}
            changed = replace(stored, metadata=merged, metageneration=stored.metageneration + 1)
            self._objects[bucket, name] = (changed, self._objects[bucket, name][1])
            return changed

    def names(self, bucket: str, prefix: str) -> list[str]:
        """The names in a bucket that begin with ``prefix``, in the order of their UTF-8."""
        self.bucket(bucket)
        base = self.root / bucket
        top = base / prefix.rpartition("/")[0]
        found = (str(path.relative_to(base)) for path in _files(top))
        return sorted((name for name in found if name.startswith(prefix)), key=lambda name: name.encode())

    def _from_file(self, bucket: str, name: str, path: Path) -> StoredObject:
        crc32c, md5, size = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False), 0
        with open(path, "rb") as stream:
            while block := stream.read(_BLOCK):
                crc32c.update(block)
                md5.update(block)
                size += len(block)
        crc, digest = (base64.b64encode(value).decode() for value in (crc32c.digest(), md5.digest()))
        return StoredObject(bucket, name, size, crc, digest, self._next())

    def _path(self, bucket: str, name: str) -> Path:
        self.bucket(bucket)
        parts = name.split("/")
        if not name or any(part in ("", ".", "..") for part in parts) or len(name.encode()) > 1024:
            raise Refusal(400, "invalid", f"the fake keeps objects as files, which {name!r} cannot name")
        return self.root.joinpath(bucket, *parts)

    def _next(self) -> int:
        with self._lock:
            self._counter += 1
            return 1_700_000_000_000_000 + self._counter


def _files(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        yield from (Path(base, name) for name in names)


def _mark(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
