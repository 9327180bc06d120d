"""How remote work that is over is noted beside its output."""

from pathlib import Path

import orjson
import pytest

from tests.operators import made_service
from threadmill.cloud import work
from threadmill.cloud.work import JOBS, Waiting, settle
from threadmill.errors import ConfigError, RemoteCancelledError, RemoteWorkError, ThreadmillError


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setitem(work._SERVICES, "made", "tests.operators.made_service")
    monkeypatch.setitem(made_service.JOBS, "job-1", made_service.Job())
    return Waiting("made", {"id": "job-1"}, "job job-1", str(tmp_path / "out"))


def test_a_service_that_is_not_installed_is_told_without_another_project_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(work._SERVICES, "made", "nowhere_to_be_found")
    with pytest.raises(
        ConfigError, match=r"made needs nowhere_to_be_found, which is not installed: .*pip install -e '\.\[gcp\]'"
    ):
        work.service("made")


def noted(waiting: Waiting) -> dict[str, object]:
    (path,) = Path(waiting.output, JOBS).iterdir()
    assert path.name == "made-job-1.json"
    return dict(orjson.loads(path.read_bytes()))


def test_a_job_that_ended_well_is_noted(waiting: Waiting) -> None:
    made_service.JOBS["job-1"].state = "DONE"
    assert settle(waiting).measures == noted(waiting)["measures"] == {"vcpu_hours": 0.5}


@pytest.mark.parametrize(("state", "error"), [("FAILED", RemoteWorkError), ("CANCELLED", RemoteCancelledError)])
def test_a_job_that_did_not_is_noted_before_it_is_told(waiting: Waiting, state: str, error: type[ThreadmillError]) -> None:
    made_service.JOBS["job-1"].state = state
    with pytest.raises(error):
        settle(waiting)
    assert (noted(waiting)["state"], noted(waiting)["measures"]) == (state, {"vcpu_hours": 0.5})


def test_a_job_of_which_nothing_is_known_leaves_no_record(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(handle: object) -> None:
        raise RemoteWorkError("job-1 is gone; run it again")

    monkeypatch.setattr(made_service, "outcome", gone)
    with pytest.raises(RemoteWorkError, match="is gone"):
        settle(waiting)
    assert not Path(waiting.output).exists()
