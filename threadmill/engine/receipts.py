"""What an unfinished run keeps beside its shards, so that the next one can go on from there: a receipt a finished task."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from threadmill.cloud.work import JOBS
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import canonical_json
from threadmill.datasets.manifest import MANIFEST_NAME, FileEntry
from threadmill.datasets.shards import ShardName
from threadmill.datasets.unfinished import PHASES, RECEIPTS
from threadmill.engine.stage import TaskResult

_BEGUN = ".begun"  # keeps the folder of receipts in a store that has no empty folders
_FEW = 4  # files that are looked at one by one, rather than by a list of their folder


def mark_unfinished(uri: str) -> None:
    """Notes that the folder's shards are of a run that has not ended: the next may remove those without a receipt.

    To be called before the first shard is written or a manifest removed.
    """
    folder = storage.join(uri, RECEIPTS)
    storage.make_directory(folder)
    if not storage.is_local(uri):  # there is no folder with nothing in it
        storage.write_bytes(storage.join(folder, _BEGUN), b"")


def write_receipt(uri: str, key: str, result: TaskResult) -> None:
    """Notes that a task of the run ``key`` is done and its files are in place."""
    value = {**asdict(result), "counters": result.counters.to_json(), "key": key}
    storage.write_bytes(storage.join(uri, RECEIPTS, f"{result.name}.json"), canonical_json(value))


def collect_receipts(uri: str, key: str) -> dict[str, TaskResult]:
    """Results, by task, of an earlier, unfinished run of the same key; removes what else unfinished runs left."""
    _remove_temporaries(uri)
    folder = storage.join(uri, RECEIPTS)
    if not storage.is_directory(folder):
        return {}
    done: dict[str, TaskResult] = {}
    useless: list[str] = []
    paths = [storage.join(folder, name) for name in storage.list_names(folder) if name != _BEGUN]
    sizes = storage.sizes(uri)
    for path, content in zip(paths, storage.read_many(paths), strict=True):
        result = _parse_receipt(content, key)
        if result is not None and _fit(uri, (*result.shards, *result.dead_letters), sizes):
            done[result.name] = result
        else:
            useless.append(path)
    kept = {file.name for result in done.values() for file in (*result.shards, *result.dead_letters)}
    useless += [storage.join(uri, name) for name in sizes if ShardName.parse(name) and name not in kept]
    storage.remove_many(useless)
    return done


def find_receipt(uri: str, key: str, task: str) -> TaskResult | None:
    """The result of a task of the run ``key``, where it is done and its files are in place."""
    try:
        result = _parse_receipt(storage.read_bytes(storage.join(uri, RECEIPTS, f"{task}.json")), key)
    except FileNotFoundError:
        return None
    return result if result and are_whole(uri, (*result.shards, *result.dead_letters)) else None


def are_whole(uri: str, files: Sequence[FileEntry]) -> bool:
    """True if each file is there with the size it should have."""
    return _fit(uri, files, storage.sizes(uri) if len(files) > _FEW else {})


def _fit(uri: str, files: Sequence[FileEntry], sizes: Mapping[str, int]) -> bool:
    """``sizes``: of the files in the folder; those that are not in it are looked at one by one."""
    found = (sizes[file.name] if file.name in sizes else storage.size(storage.join(uri, file.name)) for file in files)
    return all(size == file.bytes for size, file in zip(found, files, strict=True))


def tidy(uri: str) -> None:
    """Removes what a run need not leave: temporary files, and receipts once there is a manifest."""
    _remove_temporaries(uri)
    folder = storage.join(uri, RECEIPTS)
    if storage.exists(storage.join(uri, MANIFEST_NAME)):
        for name in (RECEIPTS, JOBS, PHASES):
            storage.remove_tree(storage.join(uri, name))
    else:
        storage.remove_empty_directory(folder)


def _remove_temporaries(uri: str) -> None:
    for name in storage.list_names(uri):
        if name.startswith(storage.TEMPORARY_PREFIX):
            storage.remove_tree(storage.join(uri, name))  # the warehouse's is a folder


def _parse_receipt(content: bytes, key: str) -> TaskResult | None:
    """The result that a receipt notes, or None where it is of another run, of another Threadmill, or no receipt."""
    try:
        receipt = orjson.loads(content)
        return _from_json(receipt) if receipt["key"] == key else None
    except (ValueError, KeyError, TypeError):
        return None


def _from_json(value: dict[str, Any]) -> TaskResult:
    return TaskResult(
        name=value["name"],
        shards=tuple(FileEntry(**entry) for entry in value["shards"]),
        counters=Counters.from_json(value["counters"]),
        dead_letters=tuple(FileEntry(**entry) for entry in value["dead_letters"]),
        statistics=value["statistics"],
        partial=value["partial"],
    )
