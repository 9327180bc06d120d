"""Runs a stage to a finished dataset: skips what is done, leaves no manifest unless all is in place."""

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import orjson

from threadmill.cloud.work import JOBS, Waiting, finish
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import config_json, json_digest
from threadmill.datasets.lock import writer_lock
from threadmill.datasets.manifest import MANIFEST_NAME, Manifest, find_manifest, write_manifest
from threadmill.datasets.unfinished import PHASES, RECEIPTS
from threadmill.engine.local import available_workers, run_tasks
from threadmill.engine.phases import Phase, StageRun
from threadmill.engine.progress import Progress
from threadmill.engine.receipts import are_whole, collect_receipts, mark_unfinished, tidy, write_receipt
from threadmill.engine.site import Site, settings_site, shell_identity
from threadmill.engine.stage import MapStage, Plan, Stage, StreamStage, Task, TaskResult
from threadmill.errors import InputError, IntegrityError, RemoteWorkError

log = logging.getLogger(__name__)


def run_stage(
    stage: Stage,
    uri: str,
    *,
    name: str | None = None,
    workers: int | None = None,
    allow_partial: bool = False,
    site: Site | None = None,
) -> Manifest:
    """Runs ``stage`` and writes its dataset at ``uri``, waiting for remote work where there is any.

    A dataset that is there already, of the same stage version, config and inputs, is left as it is; one of others is
    replaced. Tasks that a killed run had finished are not done again.

    Args:
        name: the dataset's name; the folder's name by default.
        workers: processes at most; as many as there are cores by default.
        allow_partial: take inputs that are known to be incomplete for whole; what is made of them is marked alike.
        site: where the work is done; as the settings say by default.

    Raises:
        DatasetLockedError: another process is writing it.
        InputError: an input is incomplete, and ``allow_partial`` is not set; or ``uri`` is an input, or has a dataset of
            another stage, which this run would delete.
        ThreadmillError: the stage could not finish; there is no manifest then.
    """
    site = site or settings_site(shell_identity(stage.name, uri), workers)
    return finish(stage_steps(stage, uri, site=site, name=name, allow_partial=allow_partial))


def stage_steps(
    stage: Stage, uri: str, *, site: Site, name: str | None = None, allow_partial: bool = False
) -> Generator[Waiting, None, Manifest]:
    """Runs ``stage`` as `run_stage` does, but yields remote work instead of waiting for it; returns the manifest.

    Who has waited goes on with the next step, or, in another process, takes all of the run up again from its beginning: what
    is done, and what is under way, is found by its name.
    """
    made = storage.make_directory(uri)
    try:
        with writer_lock(uri):
            plan = _checked_plan(stage, uri, allow_partial)
            run = StageRun(plan, uri, _run_key(stage, plan), site)
            phases = stage.phases(run)
            try:
                existing = _existing(stage, plan, uri)
                if existing is not None:
                    log.info("%s: %s is up to date", stage.name, uri)
                    _clean_up(phases, uri)
                    return existing
                if not phases:
                    return _run(stage, run, name or storage.name_of(uri))
            finally:
                if not phases:
                    tidy(uri)
        # No lock while others work: their jobs have names, and there is one of a name at a time.
        for phase in phases:
            yield from phase.steps()
        return _finish_phases(stage, run, phases, name or storage.name_of(uri))
    finally:
        for folder in made or [uri]:
            storage.remove_empty_directory(folder)  # where it failed before it wrote anything


def _checked_plan(stage: Stage, uri: str, allow_partial: bool) -> Plan:
    plan = stage.plan()
    if plan.partial and not (allow_partial or stage.takes_partial):
        raise InputError(_partial_inputs(stage, plan))
    _refuse_other_dataset(stage, plan, uri)
    if not plan.tasks:
        raise InputError(f"{stage.name}: nothing to do, its inputs hold no records; name other inputs")
    return plan


def _finish_phases(stage: Stage, run: StageRun, phases: Sequence[Phase], name: str) -> Manifest:
    """The manifest, from the receipts that the phases left; or theirs, where a phase has written it itself."""
    with writer_lock(run.uri):
        manifest = _existing(stage, run.plan, run.uri)
        if manifest is not None:
            manifest = _with_jobs(run.uri, manifest)
        else:
            done = collect_receipts(run.uri, run.key)
            missing = [task.name for task in run.plan.tasks if task.name not in done]
            if missing:
                raise RemoteWorkError(
                    f"{stage.name}: {len(missing)} of {len(run.plan.tasks)} tasks have left no result in {run.uri} "
                    f"(such as {missing[0]}), though the work is over; run it again to do these"
                )
            manifest = _finish(stage, run.plan, run.uri, name, [done[task.name] for task in run.plan.tasks])
        _clean_up(phases, run.uri)
        return manifest


def _clean_up(phases: Sequence[Phase], uri: str) -> None:
    """Removes what phases have left beside a manifest; the receipts last, which tell that a killed run has not come so far."""
    if phases and storage.exists(storage.join(uri, RECEIPTS)):
        for phase in phases:
            phase.clean_up()
        tidy(uri)


def _refuse_other_dataset(stage: Stage, plan: Plan, uri: str) -> None:
    """A slip of the folder's name must not cost a dataset that is not this stage's to replace."""
    if storage.absolute(uri).rstrip("/") in {storage.absolute(entry.uri).rstrip("/") for entry in plan.inputs}:
        raise InputError(f"{stage.name}: {uri} is an input, so that it cannot be the output; name another folder")
    with suppress(IntegrityError):  # a damaged manifest tells no stage
        manifest = find_manifest(uri)
        if manifest is not None and manifest.stage != stage.name:
            raise InputError(
                f"{stage.name}: {uri} is a dataset of the stage {manifest.stage}; name another folder, or delete that one first"
            )


def _partial_inputs(stage: Stage, plan: Plan) -> str:
    partial = [entry.uri for entry in plan.inputs if (manifest := find_manifest(entry.uri)) is not None and manifest.partial]
    return (
        f"{stage.name}: {', '.join(partial)} was made from incomplete input (its manifest says partial); "
        "make it again from whole files, or set --allow-partial to use it as it is"
    )


def _run(stage: Stage, run: StageRun, name: str) -> Manifest:
    plan, uri = run.plan, run.uri
    done = collect_receipts(uri, run.key)
    mark_unfinished(uri)
    pending = [task for task in plan.tasks if task.name not in done]
    if done:
        log.info("%s: %d of %d tasks were done before", stage.name, len(done), len(plan.tasks))
    with (
        closing(_results(stage, pending, uri, run.site.workers or available_workers())) as results,  # none writes on unlocked
        Progress(stage.name, stage.unit, len(pending)) as progress,
    ):
        for result in results:
            write_receipt(uri, run.key, result)
            done[result.name] = result
            progress.advance(result.counters.read)
    return _finish(stage, plan, uri, name, [done[task.name] for task in plan.tasks])


def _results(stage: Stage, tasks: Sequence[Task], uri: str, workers: int) -> Generator[TaskResult, None, None]:
    if not tasks:
        return
    if isinstance(stage, MapStage):
        yield from run_tasks(stage, tasks, uri, workers)
    elif isinstance(stage, StreamStage):
        yield from stage.stream(tasks, uri, workers)
    else:
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
        inputs=tuple(replace(entry, uri=storage.absolute(entry.uri)) for entry in plan.inputs),
        schema=plan.schema,
        shards=tuple(shard for result in results for shard in result.shards),
        dead_letters=tuple(shard for result in results for shard in result.dead_letters),
        counters=counters,
        statistics=stage.statistics([result.statistics for result in results]),
        partial=plan.partial or any(result.partial for result in results),
        jobs=_jobs(uri),
    )
    write_manifest(uri, manifest)
    log.info("%s: %s", stage.name, _funnel_line(counters, stage.unit))
    return manifest


def _jobs(uri: str) -> tuple[Mapping[str, Any], ...]:
    """What is known of the remote jobs that worked for the dataset at ``uri``, and for those between its phases."""
    folder = storage.join(uri, JOBS)
    records = [orjson.loads(storage.read_bytes(storage.join(folder, name))) for name in storage.list_names(folder)]
    for name in storage.list_names(storage.join(uri, PHASES)):
        manifest = find_manifest(storage.join(uri, PHASES, name))
        records.extend(manifest.jobs if manifest else ())
    return tuple(records)


def _with_jobs(uri: str, manifest: Manifest) -> Manifest:
    """The manifest that a remote machine wrote, with the jobs that it cannot know of."""
    known = {(job["kind"], job["id"]) for job in manifest.jobs}
    jobs = [job for job in _jobs(uri) if (job["kind"], job["id"]) not in known]
    if jobs:
        manifest = replace(manifest, jobs=(*manifest.jobs, *jobs))
        write_manifest(uri, manifest)
    return manifest


def _funnel_line(counters: Counters, unit: str) -> str:
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counters.dropped.items(), key=lambda item: -item[1]))
    return f"read {counters.read:,} {unit}, kept {counters.kept:,}, wrote {counters.written:,}" + (
        f"; dropped: {dropped}" if dropped else ""
    )


def _run_key(stage: Stage, plan: Plan) -> str:
    inputs = [[entry.name, entry.digest] for entry in plan.inputs]
    return json_digest([stage.name, stage.version, config_json(stage.config), inputs])


def _existing(stage: Stage, plan: Plan, uri: str) -> Manifest | None:
    """The manifest at ``uri`` if it is what this run would write; otherwise makes the dataset there an unfinished one."""
    manifest = None
    try:
        manifest = find_manifest(uri)
    except IntegrityError as error:
        log.warning("%s; writing the dataset again", error)
    else:
        reason = _difference(manifest, stage, plan, uri) if manifest else ""
        if not reason:
            return manifest
        log.warning("%s: replacing the dataset at %s (%s)", stage.name, uri, reason)
    mark_unfinished(uri)
    storage.remove(storage.join(uri, MANIFEST_NAME))  # before any shard, so that no half of it is taken for a dataset
    for file in (*manifest.shards, *manifest.dead_letters) if manifest else ():
        storage.remove(storage.join(uri, file.name))
    return None


def _difference(manifest: Manifest, stage: Stage, plan: Plan, uri: str) -> str:
    """Why the dataset at ``uri`` is not what this run would write; empty where it is."""
    inputs = [[(entry.name, entry.digest) for entry in entries] for entries in (manifest.inputs, plan.inputs)]
    if inputs[0] != inputs[1]:
        return "inputs changed"
    made = (manifest.stage, manifest.version, manifest.config_digest)
    if made != (stage.name, stage.version, json_digest(config_json(stage.config))):
        return "settings changed"
    return "" if are_whole(uri, (*manifest.shards, *manifest.dead_letters)) else "files are missing or cut"
