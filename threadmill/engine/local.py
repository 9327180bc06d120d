"""The local engine: tasks in a pool of worker processes, a bounded number in flight."""

import logging
import os
import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from threadmill.cloud.credentials import Access, access_in_use, adopt_access
from threadmill.engine.stage import MapStage, Task, TaskOutput, TaskResult
from threadmill.errors import ConfigError, TransferError, WorkerError

log = logging.getLogger(__name__)

_WATCH_SECONDS = 0.5
_TRANSFERS = 3  # times a task is done whose bytes arrived damaged


def available_workers() -> int:
    """The CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tasks(stage: MapStage, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
    """Runs the tasks, yielding results as they come. One worker, or one task, needs no pool and runs here.

    No more tasks are in flight than there are workers, so memory is bounded by ``workers`` tasks.

    Raises:
        WorkerError: a worker process died (killed, or out of memory).
    """
    workers = min(workers, len(tasks))
    if workers <= 1:
        for task in tasks:
            yield run_task(stage, task, uri)
        return
    yield from _run_in_pool(stage, tasks, uri, workers)


def run_task(stage: MapStage, task: Task, uri: str) -> TaskResult:
    """Does one task, in whatever process this is; one that fails leaves no file.

    Bytes that arrived damaged from a store, or at it, are a reason to do it once more.
    """
    for attempt in range(1, _TRANSFERS + 1):
        output = TaskOutput(uri)
        try:
            return stage.process(task, output)
        except TransferError as error:
            output.discard()
            if attempt == _TRANSFERS:
                raise
            log.warning("%s: task %s: %s (doing it again)", stage.name, task.name, error)
        except BaseException:
            output.discard()
            raise
    raise AssertionError


def _run_in_pool(stage: MapStage, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
    # loky starts workers by exec: they inherit neither our lock nor the threads of polars and DuckDB, and it neither
    # imports our __main__ in them (Airflow's costs 1.5 s) nor hangs when one is killed, as multiprocessing's pool does.
    from loky import ProcessPoolExecutor
    from loky.process_executor import TerminatedWorkerError

    waiting = iter(tasks)
    threads = max(1, available_workers() // workers)
    pool = ProcessPoolExecutor(workers, initializer=_prepare_worker, initargs=(os.getpid(), threads, _access_for_workers()))
    running: dict[Future[TaskResult], Task] = {}
    try:
        while True:
            for task in waiting:
                running[pool.submit(run_task, stage, task, uri)] = task
                if len(running) == workers:
                    break
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                task = running.pop(future)
                yield future.result()
    except TerminatedWorkerError as error:
        names = ", ".join(sorted({task.name, *(task.name for task in running.values())}))
        raise WorkerError(
            f"{stage.name}: a worker process died while at work on one of {names} (killed, or out of memory); "
            "run it again to go on from there, with fewer workers if memory is short"
        ) from error
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _access_for_workers() -> Access | None:
    """The credentials in use, such as those of an Airflow connection, which worker processes need too."""
    access = access_in_use()
    try:
        pickle.dumps(access)
    except Exception as error:  # pickling calls foreign code, which raises what it likes; the error shows no credentials
        raise ConfigError(
            f"the credentials in use ({type(access and access.credentials).__name__}) cannot be handed to worker processes "
            f"({type(error).__name__}); use a service account's key or the machine's own credentials, or set THREADMILL_WORKERS=1"
        ) from None
    return access


def _prepare_worker(parent: int, threads: int, access: Access | None) -> None:
    adopt_access(access)
    os.environ["POLARS_MAX_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(threads)  # RAYON: Hugging Face tokenizers
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()


def _exit_with_parent(parent: int) -> None:
    """A worker whose parent was killed would wait for work for ever, and go on writing."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
