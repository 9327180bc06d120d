from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.datasets.object_store import ObjectStore
from threadmill.datasets import storage
from threadmill.errors import CheckpointError, ConfigError
from threadmill.training.runs.checkpoint_files import Checkpoint
from threadmill.training.runs.identity import Identity
from threadmill.training.runs.workspace import Workspace

RUN: Identity = {"steps": 300, "learning_rate": 0.002, "records": "a" * 64}
BUCKET = "objects://bucket/run"


@pytest.fixture(autouse=True)
def empty_store() -> Iterator[None]:
    yield
    ObjectStore.objects.clear()


def begin(folder: Path, bucket: str = "") -> Workspace:
    workspace = Workspace(str(folder), bucket)
    workspace.claim(RUN)
    for name in ("losses.jsonl", "validation.jsonl"):
        (folder / name).write_text("30 lines\n")
    for name in ("step-30/checkpoint.json", "best/checkpoint.json"):
        place = storage.join(bucket or workspace.checkpoints, name)
        storage.make_directory(place.removesuffix("/checkpoint.json"))
        storage.write_bytes(place, b"{}")
    workspace.log_copies.publish()
    return workspace


def test_same_run_finds_its_checkpoints(tmp_path: Path) -> None:
    begin(tmp_path).claim(dict(RUN))

    assert (tmp_path / "checkpoints" / "step-30").exists()
    assert (tmp_path / "losses.jsonl").exists()


@pytest.mark.parametrize("bucket", ["", BUCKET])
def test_unfinished_work_of_other_settings_is_refused_and_kept(tmp_path: Path, bucket: str) -> None:
    workspace = begin(tmp_path, bucket)

    with pytest.raises(ConfigError) as error:
        workspace.claim({**RUN, "steps": 500, "records": "b" * 64})

    assert "steps was 300, is 500, records was aaaaaaaaaaaa, is bbbbbbbbbbbb" in str(error.value)
    assert "step-30" in storage.list_names(bucket or workspace.checkpoints)


def test_run_that_never_came_to_a_checkpoint_makes_room_for_another_in_its_own_folder(tmp_path: Path) -> None:
    Workspace(str(tmp_path), BUCKET).claim({**RUN, "steps": 500})
    with pytest.raises(ConfigError, match=f"{BUCKET} holds an unfinished run"):  # another machine's may be at work there
        Workspace(str(tmp_path), BUCKET).claim(RUN)

    Workspace(str(tmp_path)).claim(RUN)
    with pytest.raises(ConfigError, match=f"{tmp_path}/checkpoints holds an unfinished run"):
        begin(tmp_path).claim({**RUN, "steps": 500})


def test_finished_run_makes_room_for_another(tmp_path: Path) -> None:
    workspace = begin(tmp_path)
    workspace.finish(RUN)

    workspace.claim({**RUN, "steps": 500})

    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["run.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints"]


def test_finished_run_in_a_bucket_makes_room_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    workspace = begin(tmp_path, BUCKET)
    storage.write_bytes(f"{BUCKET}/thesis.txt", b"not ours")
    workspace.finish(RUN)

    workspace.claim({**RUN, "steps": 500})

    assert storage.list_names(BUCKET) == ["run.json", "thesis.txt"]
    assert not (tmp_path / "losses.jsonl").exists()


def test_run_in_a_bucket_is_refused_to_others_on_a_fresh_machine(tmp_path: Path) -> None:
    begin(tmp_path / "one", BUCKET)

    with pytest.raises(ConfigError, match=f"{BUCKET} holds an unfinished run of other settings .steps was 300, is 500.;"):
        Workspace(str(tmp_path / "two"), BUCKET).claim({**RUN, "steps": 500})


def test_fresh_machine_has_the_logs_of_the_one_before(tmp_path: Path) -> None:
    begin(tmp_path / "one", BUCKET)

    fresh = Workspace(str(tmp_path / "two"), BUCKET)
    fresh.claim(RUN)
    fresh.log_copies.fetch()

    assert (tmp_path / "two" / "losses.jsonl").read_text() == "30 lines\n"
    assert (tmp_path / "two" / "validation.jsonl").read_text() == "30 lines\n"


def test_longer_log_of_this_machine_is_kept(tmp_path: Path) -> None:
    workspace = begin(tmp_path, BUCKET)
    (tmp_path / "losses.jsonl").write_text("30 lines\n31 lines\n")

    workspace.log_copies.fetch()

    assert (tmp_path / "losses.jsonl").read_text() == "30 lines\n31 lines\n"


def test_checkpoints_in_the_folder_need_no_copies(tmp_path: Path) -> None:
    workspace = begin(tmp_path, str(tmp_path / "checkpoints") + "/")

    assert not workspace.elsewhere
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["best", "run.json", "step-30"]


@pytest.mark.parametrize("owner", [None, "", "[]", "{}", '{"identity": null, "finished": true}'])
@pytest.mark.parametrize("bucket", ["", BUCKET])
def test_checkpoints_tell_whose_they_are_where_run_json_is_gone_or_damaged(
    tmp_path: Path, owner: str | None, bucket: str
) -> None:
    workspace = begin(tmp_path, bucket)
    place = bucket or workspace.checkpoints
    checkpoint = Checkpoint(30, 1.5, "jax", RUN, (), "2026-01-01T00:00:00+00:00")
    storage.write_bytes(storage.join(place, "step-30", "checkpoint.json"), msgspec.json.encode(checkpoint))
    storage.remove(storage.join(place, "run.json"))
    if owner is not None:
        storage.write_bytes(storage.join(place, "run.json"), owner.encode())

    with pytest.raises(ConfigError, match=r"unfinished run of other settings \(steps was 300, is 500\)"):
        workspace.claim({**RUN, "steps": 500})
    workspace.claim(RUN)
    assert storage.exists(storage.join(place, "step-30", "checkpoint.json"))
    assert (tmp_path / "losses.jsonl").exists()


@pytest.mark.parametrize("bucket", ["", BUCKET])
def test_finished_model_whose_files_are_gone_has_its_logs_back(tmp_path: Path, bucket: str) -> None:
    workspace = begin(tmp_path, bucket)
    workspace.finish(RUN)
    (tmp_path / "losses.jsonl").unlink()

    workspace.claim(RUN)
    workspace.log_copies.fetch()

    assert (tmp_path / "losses.jsonl").read_text() == "30 lines\n"


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CheckpointError, match=f"^{tmp_path}/file/below is not"):
        Workspace(str(tmp_path / "run"), str(tmp_path / "file" / "below")).claim(RUN)
