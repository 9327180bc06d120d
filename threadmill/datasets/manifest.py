"""manifest.json: what a dataset is, where it came from, and the digest of every shard. Written last: no manifest, no dataset."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import json_digest
from threadmill.datasets.lock import check_lock
from threadmill.errors import DatasetLockedError, InputError, IntegrityError

MANIFEST_NAME = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """A file of a dataset: its records (lines, rows, examples), bytes and SHA-256 (hex)."""

    name: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class InputEntry:
    """What a dataset was made from: a dataset (digest of its manifest) or a raw file (SHA-256 of its bytes).

    ``uri`` says where it lay, which is no part of any digest.
    """

    name: str
    digest: str
    uri: str = ""


@dataclass(frozen=True)
class Field:
    """One column or feature: its name and type (Arrow's or tf.train.Feature's name of it)."""

    name: str
    type: str


@dataclass(frozen=True)
class Manifest:
    """The content of manifest.json.

    Attributes:
        name: the dataset's name, for people.
        stage: the stage that wrote it, and ``version``, raised when the same config gives other bytes.
        config: the stage's settings as JSON; ``config_digest`` in the file is its SHA-256.
        inputs: datasets and raw files it was made from.
        schema: the fields of one record.
        shards: the data files.
        dead_letters: files of input that could not be parsed, each line with its place and reason.
        counters: the funnel.
        statistics: what a stage measured on the way, for reports and checks.
        partial: True where the input was known to be incomplete.
        created_at: ISO 8601, UTC; outside the digest.
        jobs: the remote jobs that worked for it, each as `threadmill.cloud.work.JobRecord`; outside the digest.
    """

    name: str
    stage: str
    version: int
    config: Mapping[str, Any]
    inputs: tuple[InputEntry, ...]
    schema: tuple[Field, ...]
    shards: tuple[FileEntry, ...]
    counters: Counters
    dead_letters: tuple[FileEntry, ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    jobs: tuple[Mapping[str, Any], ...] = ()

    @property
    def config_digest(self) -> str:
        """SHA-256 (hex) of the config in canonical JSON."""
        return json_digest(self.config)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the manifest less created_at, jobs and the inputs' places: equal content, equal digest."""
        value = self._content()
        for entry in value["inputs"]:
            del entry["uri"]
        return json_digest(value)

    @property
    def records(self) -> int:
        """Records in all shards."""
        return sum(shard.records for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the file."""
        return {**self._content(), "digest": self.digest, "created_at": self.created_at, "jobs": list(self.jobs)}

    def _content(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "stage": self.stage,
            "version": self.version,
            "config": dict(self.config),
            "config_digest": self.config_digest,
            "inputs": [asdict(entry) for entry in self.inputs],
            "schema": [asdict(entry) for entry in self.schema],
            "shards": [asdict(entry) for entry in self.shards],
            "dead_letters": [asdict(entry) for entry in self.dead_letters],
            "counters": self.counters.to_json(),
            "statistics": dict(self.statistics),
            "partial": self.partial,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Manifest":
        """The inverse of `to_json`."""
        return cls(
            name=value["name"],
            stage=value["stage"],
            version=value["version"],
            config=value["config"],
            inputs=tuple(InputEntry(**entry) for entry in value["inputs"]),
            schema=tuple(Field(**entry) for entry in value["schema"]),
            shards=tuple(FileEntry(**entry) for entry in value["shards"]),
            dead_letters=tuple(FileEntry(**entry) for entry in value["dead_letters"]),
            counters=Counters.from_json(value["counters"]),
            statistics=value["statistics"],
            partial=value["partial"],
            created_at=value["created_at"],
            jobs=tuple(value.get("jobs", ())),  # those of 2026-11 and before have none
        )


def find_manifest(uri: str) -> Manifest | None:
    """The manifest of the dataset at ``uri``, or None where there is none.

    Raises:
        IntegrityError: the file is there but is not a manifest, or its digest does not fit its content.
    """
    path = storage.join(uri, MANIFEST_NAME)
    try:
        content = storage.read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    remedy = "restore it from a copy, or delete it and run its stage again"
    try:
        value = orjson.loads(content)
        manifest = Manifest.from_json(value)
        fits = value["digest"] == manifest.digest
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{path} is not a manifest ({error!r}); {remedy}") from error
    if not fits:
        raise IntegrityError(f"{path} was changed after it was written (its digest does not fit); {remedy}")
    return manifest


def read_manifest(uri: str) -> Manifest:
    """The manifest of the dataset at ``uri``.

    Raises:
        InputError: no dataset there.
        IntegrityError: see `find_manifest`.
    """
    manifest = find_manifest(uri)
    if manifest is None:
        what = "has no manifest.json, so it is no finished dataset" if storage.exists(uri) else "does not exist"
        raise InputError(f"{uri} {what}; run the stage that writes it, or name another dataset")
    return manifest


def write_manifest(uri: str, manifest: Manifest) -> None:
    """Writes manifest.json atomically; call it when every file it lists is in place.

    In Cloud Storage it replaces none of other content (remove that first), so that of two writers one wins.

    Raises:
        DatasetLockedError: another process has taken over the right to write, or has written another manifest.
    """
    content = orjson.dumps(manifest.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    path = storage.join(uri, MANIFEST_NAME)
    if not storage.is_cloud(uri):
        storage.write_bytes(path, content)
        return
    from threadmill.datasets.cloud_streams import find, put

    check_lock(uri)
    if put(path, content, 0) is not None:
        return
    there, found = find(path), find_manifest(uri)
    if there is None or found is None or found.digest != manifest.digest:
        raise DatasetLockedError(f"{path} was written by another run meanwhile, with other content; let one run write there")
    if found.jobs != manifest.jobs:
        put(path, content, there.generation)  # who was faster has what this one has: the digest is the same
