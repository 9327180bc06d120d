"""The Beam engine through the portable protocol: a Prism server, with its workers in a pool of another process."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from tests.conversation_datasets import made_examples, write_conversations
from tests.engine.beam.conftest import UseBeam
from tests.engine.beam.portable import REPOSITORY, Server, prism, worker_pool
from tests.engine.stages import NumbersConfig, NumbersStage
from threadmill.conversations.config import ConversationsConfig, ThreadsConfig
from threadmill.conversations.stage import ConversationsStage
from threadmill.conversations.threads import ThreadsStage
from threadmill.corpora.reddit.config import IngestConfig
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import Manifest, find_manifest
from threadmill.engine.run import run_stage
from threadmill.engine.site import local_site
from threadmill.engine.stage import Stage
from threadmill.errors import InputError, RemoteWorkError
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage

pytestmark = pytest.mark.cloud

Prism = Callable[[], None]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("servers")
    started = prism(folder), worker_pool(folder)
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def use_prism(servers: tuple[Server, Server], use_beam: UseBeam) -> Prism:
    runner, pool = servers

    def use() -> None:
        use_beam(
            "PortableRunner",
            beam_job_endpoint=runner.address,
            beam_environment_type="EXTERNAL",
            beam_environment_config=pool.address,
        )

    return use


def both_ways(stage: Stage, folder: Path, use_prism: Prism) -> tuple[Manifest, Manifest]:
    here = run_stage(stage, str(folder / "here"), name=stage.name, site=local_site(1))
    use_prism()
    return here, run_stage(stage, str(folder / "there"), name=stage.name)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def dump(path: Path, comments: int, seed: int) -> str:
    """Comments of threads of the month ``seed`` of 2006, with replies to earlier ones."""
    draw, lines = random.Random(seed), []
    for number in range(comments):
        thread = draw.randrange(comments // 8)
        parent = draw.choice(
            ["t3_" + f"{seed}t{thread}", *(f"t1_{seed}c{earlier}" for earlier in range(max(0, number - 5), number))]
        )
        line = {
            "id": f"{seed}c{number}",
            "link_id": f"t3_{seed}t{thread}",
            "parent_id": parent,
            "subreddit": "s",
            "author": f"a{number % 9}",
        }
        words = " ".join(draw.choice(["one", "two", "three", "four", "much", "more"]) for _ in range(draw.randint(4, 12)))
        lines.append(json.dumps({**line, "body": words, "created_utc": 1_136_073_600 + 31 * 86_400 * (seed - 1) + number}))
    path.write_bytes(zstandard.compress("\n".join([*lines, "no JSON"]).encode()))
    return str(path)


@pytest.fixture
def dumps(tmp_path: Path) -> tuple[str, ...]:
    return tuple(dump(tmp_path / f"RC_2006-0{month}.zst", 800, month) for month in (1, 2, 3))


@pytest.fixture
def threads(dumps: tuple[str, ...], tmp_path: Path) -> str:
    run_stage(IngestStage(dumps, IngestConfig()), str(tmp_path / "comments"), site=local_site(1))
    run_stage(
        ThreadsStage((str(tmp_path / "comments"),), ThreadsConfig(num_shards_train=4)),
        str(tmp_path / "threads"),
        site=local_site(1),
    )
    return str(tmp_path / "threads")


def test_ingest_writes_the_bytes_of_the_local_engine(dumps: tuple[str, ...], tmp_path: Path, use_prism: Prism) -> None:
    here, there = both_ways(IngestStage(dumps, IngestConfig(shard_rows=300)), tmp_path, use_prism)
    assert there.digest == here.digest
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert verify(str(tmp_path / "there")) == []


def test_conversations_have_the_bytes_of_the_local_engine(threads: str, tmp_path: Path, use_prism: Prism) -> None:
    here, there = both_ways(ConversationsStage(threads, ConversationsConfig()), tmp_path, use_prism)
    assert there.digest == here.digest
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert there.counters.written > 0


def test_a_vocabulary_has_the_bytes_of_the_local_engine(tmp_path: Path, use_prism: Prism) -> None:
    corpus = write_conversations(tmp_path / "conversations", {"train": [made_examples(40)]})
    here, there = both_ways(VocabularyStage(corpus, VocabularyConfig(vocab_size=90)), tmp_path, use_prism)
    assert there.digest == here.digest
    assert files(tmp_path / "there") == files(tmp_path / "here")


def worker_at_work(control: Path, name: object, deadline: float = 60) -> int:
    """The process that does a task, which waits in its midst."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        for path in control.glob(f"ran-{name}-*"):
            return int(path.name.rsplit("-", 1)[1])
        time.sleep(0.02)
    raise TimeoutError(f"nobody began task {name}")


LAUNCHER = """
import sys, signal
from tests.engine.stages import NumbersConfig, NumbersStage
from threadmill.engine.run import run_stage
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
run_stage(NumbersStage(sys.argv[1]), sys.argv[2], name="numbers")
"""


# As the process of a task of Airflow's, which calls the operator's on_kill and goes on, until it is killed.
ASKED_BY_AIRFLOW = LAUNCHER.replace("sys.exit(143)", "cancel_all()").replace(
    "import sys, signal", "import sys, signal\nfrom threadmill.cloud.stopping import cancel_all"
)


def launch(control: Path, folder: Path, code: str = LAUNCHER) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code, str(control), str(folder)], cwd=REPOSITORY, stderr=subprocess.DEVNULL)


def test_a_worker_that_is_killed_costs_a_retry_and_no_byte(control: Path, tmp_path: Path, use_prism: Prism) -> None:
    here = run_stage(NumbersStage(str(control)), str(tmp_path / "here"), name="numbers", site=local_site(1))
    for path in control.glob("ran-*"):
        path.unlink()
    use_prism()
    (control / "wait-2").touch()
    launcher = launch(control, tmp_path / "there")
    victim = worker_at_work(control, 2)
    assert victim not in (os.getpid(), launcher.pid)
    os.kill(victim, signal.SIGKILL)
    (control / "wait-2").unlink()
    launcher.wait(120)
    if launcher.returncode:  # the runner gave the job up with its worker
        assert find_manifest(str(tmp_path / "there")) is None
        assert run_stage(NumbersStage(str(control)), str(tmp_path / "there"), name="numbers").digest == here.digest
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert verify(str(tmp_path / "there")) == []


def test_a_pool_that_is_restarted_goes_on_from_the_receipts(
    control: Path, tmp_path: Path, use_prism: Prism, servers: tuple[Server, Server]
) -> None:
    here = run_stage(NumbersStage(str(control), NumbersConfig(6)), str(tmp_path / "here"), name="numbers", site=local_site(1))
    use_prism()
    (control / "fail-5").touch()
    with pytest.raises(InputError, match="number 5 is missing"):
        run_stage(NumbersStage(str(control), NumbersConfig(6)), str(tmp_path / "there"), name="numbers")
    (control / "fail-5").unlink()
    done = {path.name[6:11] for path in (tmp_path / "there" / ".receipts").glob("train-*")}
    for path in control.glob("ran-*"):
        path.unlink()
    servers[1].stop()
    servers[1].start()
    there = run_stage(NumbersStage(str(control), NumbersConfig(6)), str(tmp_path / "there"), name="numbers")
    assert there.digest == here.digest
    again = {int(path.name.split("-")[1]) for path in control.glob("ran-*")}
    assert again == set(range(6)) - {int(index) for index in done}


@pytest.mark.parametrize(("code", "ends_with"), [(LAUNCHER, 143), (ASKED_BY_AIRFLOW, 1)], ids=["exit", "on_kill"])
def test_a_launcher_that_is_asked_to_stop_cancels_its_job(
    code: str, ends_with: int, control: Path, tmp_path: Path, use_prism: Prism
) -> None:
    use_prism()
    (control / "wait-2").touch()
    launcher = launch(control, tmp_path / "there", code)
    worker_at_work(control, 2)
    launcher.terminate()
    assert launcher.wait(60) == ends_with
    assert states(use_prism)[-1] in ("CANCELLED", "CANCELLING")
    (control / "wait-2").unlink()


def test_a_launcher_that_is_killed_leaves_a_job_that_the_next_waits_for(control: Path, tmp_path: Path, use_prism: Prism) -> None:
    here = run_stage(NumbersStage(str(control)), str(tmp_path / "here"), name="numbers", site=local_site(1))
    for path in control.glob("ran-*"):
        path.unlink()
    use_prism()
    before = len(states(use_prism))
    (control / "wait-2").touch()
    launcher = launch(control, tmp_path / "there")
    worker_at_work(control, 2)
    launcher.kill()
    launcher.wait()
    second = launch(control, tmp_path / "there")
    time.sleep(3)
    (control / "wait-2").unlink()
    assert second.wait(120) == 0
    assert len(states(use_prism)) == before + 1, "the second launcher started no job of its own"
    there = find_manifest(str(tmp_path / "there"))
    assert there is not None
    assert there.digest == here.digest
    assert len(list(control.glob("ran-*"))) == 4, "each task was done once"


def states(use_prism: Prism) -> list[str]:
    """The states of all jobs that the server knows, the oldest first."""
    import grpc
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    from threadmill.settings import get_settings

    with grpc.insecure_channel(get_settings().beam_job_endpoint) as channel:
        jobs = beam_job_api_pb2_grpc.JobServiceStub(channel).GetJobs(beam_job_api_pb2.GetJobsRequest(), timeout=10).job_info
    return [beam_job_api_pb2.JobState.Enum.Name(job.state) for job in sorted(jobs, key=lambda job: job.job_id)]


def test_a_server_that_is_gone_is_told_in_one_line(
    control: Path, tmp_path: Path, use_beam: UseBeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threadmill.engine.beam.run._SECONDS", 1)
    folder = tmp_path / "server"
    folder.mkdir()
    runner = prism(folder)
    use_beam(
        "PortableRunner",
        beam_job_endpoint=runner.address,
        beam_environment_type="EXTERNAL",
        beam_environment_config="localhost:1",
    )
    runner.stop()
    with pytest.raises(RemoteWorkError) as raised:
        run_stage(NumbersStage(str(control)), str(tmp_path / "there"))
    assert "no job service answers at" in str(raised.value)
