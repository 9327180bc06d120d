"""Runs a stage to a finished dataset: skips what is done, leaves no manifest unless all is in place."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import canonical_json, config_json, json_digest
from threadmill.datasets.lock import writer_lock
from threadmill.datasets.manifest import (
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    find_manifest,
    write_manifest,
)
from threadmill.engine.local import available_workers, run_tasks
from threadmill.engine.progress import Progress
from threadmill.engine.stage import MapStage, Plan, Stage, StreamStage, Task, TaskResult
from threadmill.errors import InputError, IntegrityError

log = logging.getLogger(__name__)

RECEIPTS = ".receipts"


def run_stage(stage: Stage, uri: str, *, name: str | None = None, workers: int | None = None) -> Manifest:
    """Runs ``stage`` and writes its dataset at ``uri``.

    A dataset that is there already, of the same stage version, config and inputs, is left as it is; one of others is
    replaced. Tasks that a killed run had finished are not done again.

    Args:
        name: the dataset's name; the folder's name by default.
        workers: processes at most; as many as there are cores by default.

    Raises:
        DatasetLockedError: another process is writing it.
        ThreadmillError: the stage could not finish; there is no manifest then.
    """
    storage.make_directory(uri)
    try:
        return _run_locked(stage, uri, name, workers)
    finally:
        storage.remove_empty_directory(uri)  # where it failed before it wrote anything


def _run_locked(stage: Stage, uri: str, name: str | None, workers: int | None) -> Manifest:
    with writer_lock(uri):
        plan = stage.plan()
        if not plan.tasks:
            raise InputError(f"{stage.name}: nothing to do, its inputs hold no records; name other inputs")
        existing = _existing(stage, plan, uri)
        if existing is not None:
            log.info("%s: %s is up to date", stage.name, uri)
            return existing
        return _run(stage, plan, uri, name or storage.name_of(uri), workers or available_workers())


def _run(stage: Stage, plan: Plan, uri: str, name: str, workers: int) -> Manifest:
    key = _run_key(stage, plan)
    done = _collect_receipts(uri, key)
    pending = [task for task in plan.tasks if task.name not in done]
    if done:
        log.info("%s: %d of %d tasks were done before", stage.name, len(done), len(plan.tasks))
    with Progress(stage.name, stage.unit, len(pending)) as progress:
        for result in _results(stage, pending, uri, workers):
            _write_receipt(uri, key, result)
            done[result.name] = result
            progress.advance(result.counters.read)
    return _finish(stage, plan, uri, name, [done[task.name] for task in plan.tasks])


def _results(stage: Stage, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
    if not tasks:
        return iter(())
    if isinstance(stage, MapStage):
        return run_tasks(stage, tasks, uri, workers)
    if isinstance(stage, StreamStage):
        return stage.stream(tasks, uri, workers)
    raise TypeError(f"{type(stage).__name__} is neither a MapStage nor a StreamStage")


def _finish(stage: Stage, plan: Plan, uri: str, name: str, results: Sequence[TaskResult]) -> Manifest:
    counters = Counters()
    for result in results:
        counters.merge(result.counters)
    counters.check(stage.name)
    stage.check(counters)
    manifest = Manifest(
        name=name,
        stage=stage.name,
        version=stage.version,
        config=config_json(stage.config),
        inputs=plan.inputs,
        schema=plan.schema,
        shards=tuple(shard for result in results for shard in result.shards),
        dead_letters=tuple(shard for result in results for shard in result.dead_letters),
        counters=counters,
        statistics=stage.statistics([result.statistics for result in results]),
        partial=plan.partial,
    )
    write_manifest(uri, manifest)
    storage.remove_tree(storage.join(uri, RECEIPTS))
    log.info("%s: %s", stage.name, _funnel_line(counters, stage.unit))
    return manifest


def _funnel_line(counters: Counters, unit: str) -> str:
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counters.dropped.items(), key=lambda item: -item[1]))
    return f"read {counters.read:,} {unit}, kept {counters.kept:,}, wrote {counters.written:,}" + (
        f"; dropped: {dropped}" if dropped else ""
    )


def _run_key(stage: Stage, plan: Plan) -> str:
    inputs = [[entry.name, entry.digest] for entry in plan.inputs]
    return json_digest([stage.name, stage.version, config_json(stage.config), inputs, plan.partial])


def _existing(stage: Stage, plan: Plan, uri: str) -> Manifest | None:
    """The manifest at ``uri`` if it is what this run would write; otherwise clears what is there."""
    try:
        manifest = find_manifest(uri)
    except IntegrityError as error:
        log.warning("%s; writing the dataset again", error)
        storage.remove(storage.join(uri, MANIFEST_NAME))
        return None
    if manifest is None:
        return None
    files = [*manifest.shards, *manifest.dead_letters]
    same_made = (manifest.stage, manifest.version, manifest.config_digest) == (
        stage.name,
        stage.version,
        json_digest(config_json(stage.config)),
    )
    same_inputs = [(entry.name, entry.digest) for entry in manifest.inputs] == [
        (entry.name, entry.digest) for entry in plan.inputs
    ]
    whole = all(storage.size(storage.join(uri, file.name)) == file.bytes for file in files)
    if same_made and same_inputs and whole and manifest.partial == plan.partial:
        return manifest
    reason = "inputs changed" if not same_inputs else "settings changed" if not same_made else "files are missing or cut"
    log.warning("%s: replacing the dataset at %s (%s)", stage.name, uri, reason)
    storage.remove(storage.join(uri, MANIFEST_NAME))  # first, so that no half of it is taken for a dataset
    _remove_files(uri, files)
    return None


def _remove_files(uri: str, files: Sequence[FileEntry]) -> None:
    for file in files:
        storage.remove(storage.join(uri, file.name))


def _write_receipt(uri: str, key: str, result: TaskResult) -> None:
    folder = storage.join(uri, RECEIPTS)
    storage.make_directory(folder)
    value = {**asdict(result), "counters": result.counters.to_json(), "key": key}
    storage.write_bytes(storage.join(folder, f"{result.name}.json"), canonical_json(value))


def _collect_receipts(uri: str, key: str) -> dict[str, TaskResult]:
    """Results of tasks that an earlier, unfinished run of the same key had done; removes what other runs left."""
    for name in storage.list_names(uri):
        if name.startswith(storage.TEMPORARY_PREFIX):
            storage.remove(storage.join(uri, name))
    done: dict[str, TaskResult] = {}
    folder = storage.join(uri, RECEIPTS)
    for name in storage.list_names(folder):
        path = storage.join(folder, name)
        if name.startswith(storage.TEMPORARY_PREFIX):
            storage.remove(path)
            continue
        receipt = orjson.loads(storage.read_bytes(path))
        result = _result_from_json(receipt)
        files = [*result.shards, *result.dead_letters]
        whole = all(storage.size(storage.join(uri, file.name)) == file.bytes for file in files)
        if receipt["key"] == key and whole:
            done[result.name] = result
        else:
            _remove_files(uri, files)
            storage.remove(path)
    return done


def _result_from_json(value: dict[str, Any]) -> TaskResult:
    return TaskResult(
        name=value["name"],
        shards=tuple(FileEntry(**entry) for entry in value["shards"]),
        counters=Counters.from_json(value["counters"]),
        dead_letters=tuple(FileEntry(**entry) for entry in value["dead_letters"]),
        statistics=value["statistics"],
    )
