"""What the stages of training put into their datasets."""

import os
import tempfile
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.digest import json_digest
from threadmill.engine.stage import TaskOutput
from threadmill.settings import get_settings

_BLOCK = 1 << 20
_FOLDER_DIGITS = 16


def working_folder(uri: str) -> str:
    """The folder on this machine of what is worked on for the dataset at ``uri``: its own, or for one in a bucket a folder in the
    cache (the system's temporary one where the cache is in a bucket, too), the same each time, so that a retry finds its files.
    """
    if storage.is_local(uri):
        return os.path.abspath(storage.local_path(uri))
    cache = get_settings().cache
    place = (
        storage.local_path(cache) if storage.is_local(cache) else os.path.join(tempfile.gettempdir(), f"threadmill-{os.getuid()}")
    )
    folder = os.path.join(os.path.abspath(place), "runs", json_digest(uri.rstrip("/"))[:_FOLDER_DIGITS])
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def local_file(uri: str, folder: str) -> str:
    """The path of a file on this machine: its own, or that of a copy in ``folder``."""
    if storage.is_local(uri):
        return os.path.abspath(storage.local_path(uri))
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, storage.name_of(uri))
    copy_file(uri, path)
    return path


def local_dataset(uri: str, folder: str) -> str:
    """The path of a folder on this machine with the dataset's files: its own, or ``folder``, where copies are put."""
    if storage.is_local(uri):
        return os.path.abspath(storage.local_path(uri))
    for shard in Dataset.open(uri).manifest.shards:
        local_file(storage.join(uri, shard.name), folder)
    return folder


def copy_file(uri: str, target: str) -> None:
    """Copies a file from anywhere to anywhere; it is whole or absent there."""
    with storage.open_read(uri) as source, storage.atomic_writer(target) as copy:
        while block := source.read(_BLOCK):
            copy.write(block)


def write(output: TaskOutput, name: str, content: bytes, records: int = 1) -> None:
    """Writes a shard of the dataset."""
    with output.shard(name) as stream:
        stream.write(content)
        stream.records = records


def write_file(output: TaskOutput, name: str, path: str) -> None:
    """Copies a file into the dataset."""
    with output.shard(name) as stream, open(path, "rb") as source:
        while block := source.read(_BLOCK):
            stream.write(block)
        stream.records = 1


def pretty(value: Any) -> bytes:
    """JSON for people, too."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
