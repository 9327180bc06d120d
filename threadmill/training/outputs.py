"""What the stages of training put into their datasets."""

import os
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.engine.stage import TaskOutput
from threadmill.errors import ConfigError


def local_folder(uri: str) -> str:
    """The path of a folder on this machine.

    Raises:
        ConfigError: it is on another.
    """
    if not storage.is_local(uri):
        raise ConfigError(f"{uri} is not on this machine, and models are trained and read on local disks; name a local folder")
    return os.path.abspath(storage.local_path(uri))


def write(output: TaskOutput, name: str, content: bytes, records: int = 1) -> None:
    """Writes a shard of the dataset."""
    with output.shard(name) as stream:
        stream.write(content)
        stream.records = records


def write_file(output: TaskOutput, name: str, path: str) -> None:
    """Copies a file into the dataset."""
    with output.shard(name) as stream, open(path, "rb") as source:
        while block := source.read(1 << 20):
            stream.write(block)
        stream.records = 1


def pretty(value: Any) -> bytes:
    """JSON for people, too."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
