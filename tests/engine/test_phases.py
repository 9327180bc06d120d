from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.stages import NumbersStage
from threadmill.cloud.work import Waiting
from threadmill.datasets.manifest import find_manifest
from threadmill.engine.phases import Phase, StageRun, TasksPhase
from threadmill.engine.run import run_stage
from threadmill.engine.site import local_site
from threadmill.errors import RemoteWorkError


@dataclass(frozen=True)
class CostlyPhase(Phase):
    """Leaves a file between the phases, whose removal meets the faults that are given."""

    run: StageRun
    faults: list[Exception]

    def steps(self) -> Iterator[Waiting]:
        Path(self.run.uri, "between").touch()
        yield from ()

    def clean_up(self) -> None:
        if self.faults:
            raise self.faults.pop()
        Path(self.run.uri, "between").unlink()


class PhasedNumbers(NumbersStage):
    faults: list[Exception]

    def phases(self, run: StageRun) -> Sequence[Phase]:
        return CostlyPhase(run, self.faults), TasksPhase(self, run.plan.tasks, run)


def test_what_phases_leave_is_removed_by_the_next_run_where_one_could_not(tmp_path: Path) -> None:
    (tmp_path / "control").mkdir()
    stage, uri = PhasedNumbers(str(tmp_path / "control")), str(tmp_path / "numbers")
    stage.faults = [RemoteWorkError("503")]
    with pytest.raises(RemoteWorkError, match="503"):
        run_stage(stage, uri, site=local_site(1))
    manifest = find_manifest(uri)
    assert manifest is not None

    assert run_stage(stage, uri, site=local_site(1)) == manifest
    left = {path.name for path in Path(uri).iterdir()}
    assert left == {"manifest.json", *(file.name for file in (*manifest.shards, *manifest.dead_letters))}

    stage.faults = [AssertionError("nothing is left: nothing is to be removed")]
    assert run_stage(stage, uri, site=local_site(1)) == manifest
