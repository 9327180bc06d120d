from pathlib import Path

import pytest

from threadmill.errors import ConfigError
from threadmill.training.runs.workspace import Workspace

RUN = {"steps": 300, "learning_rate": 0.002, "records": "a" * 64}


def begin(folder: Path) -> Workspace:
    workspace = Workspace(str(folder))
    workspace.claim(RUN)
    (folder / "checkpoints" / "step-30.index").touch()
    (folder / "losses.jsonl").write_text("30 lines\n")
    return workspace


def test_same_run_finds_its_checkpoints(tmp_path: Path) -> None:
    begin(tmp_path).claim(dict(RUN))

    assert (tmp_path / "checkpoints" / "step-30.index").exists()
    assert (tmp_path / "losses.jsonl").exists()


def test_unfinished_work_of_other_settings_is_refused_and_kept(tmp_path: Path) -> None:
    workspace = begin(tmp_path)

    with pytest.raises(ConfigError) as error:
        workspace.claim({**RUN, "steps": 500, "records": "b" * 64})

    assert "steps was 300, is 500, records was aaaaaaaaaaaa, is bbbbbbbbbbbb" in str(error.value)
    assert (tmp_path / "checkpoints" / "step-30.index").exists()


def test_finished_run_makes_room_for_another(tmp_path: Path) -> None:
    workspace = begin(tmp_path)
    workspace.finish(RUN)

    workspace.claim({**RUN, "steps": 500})

    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["run.json"]
    assert not (tmp_path / "losses.jsonl").exists()
