import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datasets.object_store import ObjectStore
from threadmill.training.runs import status as module
from threadmill.training.runs.status import Status, StatusFile, read_status


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_BEAT_SECONDS", 0.05)
    yield
    ObjectStore.objects.clear()


def test_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_status(str(tmp_path)) is None
    file = StatusFile(str(tmp_path))
    file.update(state="training", step=3, steps=9, loss=1.5, examples_per_second=20.5, seconds_left=12)

    assert read_status(str(tmp_path)) == file.current
    assert file.current.time == file.current.heartbeat


def test_status_of_another_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"state":"training","step":3,"mood":"good"}')

    assert read_status(str(tmp_path)) == Status("training", step=3)


def test_heart_beats_while_nothing_is_told(tmp_path: Path) -> None:
    file = StatusFile(str(tmp_path))
    file.update(state="starting")
    told = file.current.time
    with file.beating():
        time.sleep(1.2)

    found = json.loads((tmp_path / "status.json").read_text())
    assert found["time"] == told
    assert found["heartbeat"] > told


def test_bucket_has_a_copy_to_the_end(tmp_path: Path) -> None:
    file = StatusFile(str(tmp_path))
    with file.beating():
        file.copy_to("objects://bucket/run")
        file.update(state="training", step=1)
        while "bucket/run/status.json" not in ObjectStore.objects:
            time.sleep(0.01)
        file.update(state="finished", exit_code=0)

    assert read_status("objects://bucket/run") == file.current


def test_bucket_out_of_reach_does_not_stop_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = StatusFile(str(tmp_path))
    file.copy_to("no-such-store://bucket/run")
    with caplog.at_level(logging.WARNING), file.beating():
        file.update(state="finished")

    assert caplog.messages[0].startswith("no-such-store://bucket/run/status.json is not up to date (ValueError: ")


def test_two_threads_may_change_it(tmp_path: Path) -> None:
    file = StatusFile(str(tmp_path))

    def change(name: str) -> None:
        for number in range(200):
            file.update(**{name: number})

    threads = [threading.Thread(target=change, args=(name,)) for name in ("step", "steps")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.step, status.steps) == (199, 199)
