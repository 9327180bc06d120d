"""The Beam engine against the local one: the same stages, the same bytes; wall and CPU seconds, and what Beam costs more.

`python -m benchmarks.beam [--comments N] [--shards N]`: months of the sample world are ingested, a task a month, and their
threads made into conversations, a task a shard; each as a program of its own, by one local process and by Beam's runner in
one process, which speaks to its worker as a remote one does.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Cost, run
from threadmill.datasets.manifest import read_manifest
from threadmill.engine.run import run_stage
from threadmill.engine.site import local_site, settings_site, shell_identity
from threadmill.engine.stage import Stage

_ENGINES = {
    "local": {"THREADMILL_ENGINE": "local"},
    "beam": {"THREADMILL_ENGINE": "beam", "THREADMILL_BEAM_RUNNER": "FnApiRunner"},
}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=400_000)
    parser.add_argument("--shards", type=int, default=32)
    parser.add_argument("--stage", nargs=2, help=argparse.SUPPRESS, metavar=("NAME", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.stage:
        _run_here(*arguments.stage)
        return
    with tempfile.TemporaryDirectory() as folder:
        _make_inputs(Path(folder), arguments.comments, arguments.shards)
        print(f"{'stage':14} {'tasks':>5} {'engine':7} {'wall s':>7} {'CPU s':>7} {'ratio':>6}  more CPU s")
        for name in ("ingest", "conversations"):
            _compare(name, Path(folder))


def _make_inputs(folder: Path, comments: int, shards: int) -> None:
    from threadmill.conversations.config import ThreadsConfig
    from threadmill.conversations.threads import ThreadsStage
    from threadmill.corpora.sample import write_sample

    (folder / "dumps").mkdir()
    for month in ("2006-01", "2006-02", "2006-03", "2006-04"):
        write_sample(str(folder / "dumps"), comments=comments // 4, start=month)
    run_stage(_stage("ingest", folder), str(folder / "comments"), site=local_site())
    config = ThreadsConfig(num_shards_train=shards, num_shards_validation=1, num_shards_test=1)
    run_stage(ThreadsStage((str(folder / "comments"),), config), str(folder / "threads"), site=local_site())


def _stage(name: str, folder: Path) -> Stage:
    from threadmill.conversations.stage import ConversationsStage
    from threadmill.corpora.reddit.ingest import IngestStage

    if name == "ingest":
        return IngestStage(tuple(sorted(str(path) for path in (folder / "dumps").glob("RC_*"))))
    return ConversationsStage(str(folder / "threads"))


def _run_here(name: str, folder: str) -> None:
    output = os.path.join(folder, f"{name}-{os.environ['THREADMILL_ENGINE']}")
    run_stage(_stage(name, Path(folder)), output, name=name, site=settings_site(shell_identity(name, output), workers=1))


def _compare(name: str, folder: Path) -> None:
    costs = {
        engine: run(_command(name, folder), env={**os.environ, **env}, sample_memory=False) for engine, env in _ENGINES.items()
    }
    digests = {read_manifest(str(folder / f"{name}-{engine}")).digest for engine in _ENGINES}
    if len(digests) != 1:
        raise SystemExit(f"{name}: the engines wrote different datasets")
    tasks = len(_stage(name, folder).plan().tasks)
    for engine, cost in costs.items():
        print(_row(name, tasks, engine, cost, costs["local"]))


def _row(name: str, tasks: int, engine: str, cost: Cost, local: Cost) -> str:
    more = f"{cost.cpu - local.cpu:.1f}" if engine == "beam" else ""
    return f"{name:14} {tasks:5} {engine:7} {cost.wall:7.1f} {cost.cpu:7.1f} {cost.cpu / local.cpu:6.2f}  {more}"


def _command(name: str, folder: Path) -> Sequence[str]:
    return [sys.executable, "-m", "benchmarks.beam", "--stage", name, str(folder)]


if __name__ == "__main__":
    main()
