import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.stages import (
    LINES,
    CutShortStage,
    DishonestStage,
    HastyStage,
    NumbersConfig,
    NumbersStage,
    StreamedNumbersStage,
    UnwritableStage,
    UselessStage,
)
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import InputEntry, find_manifest
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan
from threadmill.errors import DatasetLockedError, InputError, IntegrityError, WorkerError

SHARDS = [f"train-0000{index}-of-00004.txt" for index in range(4)]
FILES = sorted([*SHARDS, "dead_letters-00000-of-00001.txt", "manifest.json"])


@pytest.fixture
def control(tmp_path: Path) -> Path:
    folder = tmp_path / "control"
    folder.mkdir()
    return folder


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "data" / "numbers")


@pytest.fixture
def digest(tmp_path: Path) -> str:
    """Of the dataset that a run without trouble makes."""
    (tmp_path / "calm").mkdir()
    return run_stage(NumbersStage(str(tmp_path / "calm")), str(tmp_path / "undisturbed"), name="numbers", workers=1).digest


def names(uri: str) -> list[str]:
    return sorted(path.name for path in Path(uri).iterdir())


def ran(control: Path) -> list[int]:
    """The tasks that ran since the last call."""
    marks = sorted(control.glob("ran-*"))
    for mark in marks:
        mark.unlink()
    return [int(mark.name.split("-")[1]) for mark in marks]


class TestADatasetIsMade:
    def test_with_its_shards_counters_and_statistics(self, control: Path, uri: str) -> None:
        manifest = run_stage(NumbersStage(str(control)), uri, workers=1)
        assert names(uri) == FILES
        assert verify(uri) == []
        assert Dataset.open(uri).manifest == manifest
        assert manifest.name == "numbers"
        assert manifest.counters.to_json() == {"read": 4000, "kept": 3600, "dropped": {"tenth": 400}, "written": 3600}
        assert [shard.name for shard in manifest.shards] == SHARDS
        assert [shard.records for shard in manifest.shards] == [900] * 4
        assert [letters.records for letters in manifest.dead_letters] == [1]
        assert manifest.statistics == {"firsts": [0, LINES, 2 * LINES, 3 * LINES]}
        assert Path(uri, SHARDS[1]).read_text().splitlines()[:2] == ["1001", "1002"]

    def test_under_the_name_given(self, control: Path, uri: str) -> None:
        assert run_stage(NumbersStage(str(control)), uri, name="integers", workers=1).name == "integers"

    @pytest.mark.parametrize("workers", [2, 3])
    def test_with_equal_bytes_for_any_number_of_workers(self, control: Path, uri: str, digest: str, workers: int) -> None:
        assert run_stage(NumbersStage(str(control)), uri, workers=workers).digest == digest
        assert sorted(ran(control)) == [0, 1, 2, 3]

    def test_out_of_a_stream(self, control: Path, uri: str, digest: str) -> None:
        assert run_stage(StreamedNumbersStage(str(control)), uri, workers=1).digest == digest
        assert names(uri) == FILES

    def test_with_a_line_for_the_log(self, control: Path, uri: str, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            run_stage(NumbersStage(str(control)), uri, workers=1)
        assert caplog.messages == ["numbers: read 4,000 numbers, kept 3,600, wrote 3,600; dropped: tenth 400"]


class TestADatasetThatIsThere:
    def test_is_left_as_it_is(self, control: Path, uri: str, caplog: pytest.LogCaptureFixture) -> None:
        first = run_stage(NumbersStage(str(control)), uri, workers=1)
        ran(control)
        times = {name: Path(uri, name).stat().st_mtime_ns for name in names(uri)}
        caplog.clear()
        with caplog.at_level(logging.INFO):
            again = run_stage(NumbersStage(str(control)), uri, workers=1)
        assert again == first
        assert ran(control) == []
        assert {name: Path(uri, name).stat().st_mtime_ns for name in names(uri)} == times
        assert caplog.messages == [f"numbers: {uri} is up to date"]

    def test_is_left_as_it_is_when_its_inputs_have_moved(self, control: Path, uri: str) -> None:
        there = InputEntry("source", "ab" * 32, "/old/place")
        run_stage(NumbersStage(str(control), inputs=(there,)), uri, workers=1)
        ran(control)
        run_stage(NumbersStage(str(control), inputs=(replace(there, uri="/new/place"),)), uri, workers=1)
        assert ran(control) == []

    def test_of_other_settings_is_replaced_and_its_shards_removed(self, control: Path, uri: str) -> None:
        run_stage(NumbersStage(str(control)), uri, workers=1)
        manifest = run_stage(NumbersStage(str(control), NumbersConfig(shards=1)), uri, workers=1)
        assert names(uri) == ["manifest.json", "train-00000-of-00001.txt"]
        assert manifest.config == {"shards": 1, "step": 1}

    def test_of_another_stage_is_refused_and_left_whole(self, control: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        run_stage(NumbersStage(str(control)), uri, workers=1)
        monkeypatch.setattr(NumbersStage, "name", "letters")
        with pytest.raises(InputError, match=f"letters: {uri} is a dataset of the stage numbers; name another folder"):
            run_stage(NumbersStage(str(control), NumbersConfig(step=3)), uri, workers=1)
        assert verify(uri) == []

    def test_that_is_an_input_is_refused_and_left_whole(self, control: Path, uri: str) -> None:
        manifest = run_stage(NumbersStage(str(control)), uri, workers=1)
        there = InputEntry("numbers", manifest.digest, uri + "/")
        with pytest.raises(InputError, match="is an input, so that it cannot be the output"):
            run_stage(NumbersStage(str(control), NumbersConfig(step=3), inputs=(there,)), uri, workers=1)
        assert verify(uri) == []

    def test_of_the_same_shards_but_other_settings_is_replaced(self, control: Path, uri: str) -> None:
        run_stage(NumbersStage(str(control)), uri, workers=1)
        ran(control)
        run_stage(NumbersStage(str(control), NumbersConfig(step=3)), uri, workers=1)
        assert ran(control) == [0, 1, 2, 3]
        assert Path(uri, SHARDS[0]).read_text().splitlines()[:3] == ["3", "6", "9"]

    @pytest.mark.parametrize(
        "changed",
        [
            lambda stage: replace(stage, inputs=(InputEntry("source", "cd" * 32),)),
            lambda stage: replace(stage, inputs=(InputEntry("other", "ab" * 32),)),
            lambda stage: replace(stage, inputs=()),
        ],
        ids=["content", "name", "none"],
    )
    def test_of_other_inputs_is_replaced(
        self,
        control: Path,
        uri: str,
        changed: Callable[[NumbersStage], NumbersStage],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        stage = NumbersStage(str(control), inputs=(InputEntry("source", "ab" * 32),))
        run_stage(stage, uri, workers=1)
        ran(control)
        manifest = run_stage(changed(stage), uri, workers=1)
        assert ran(control) == [0, 1, 2, 3]
        assert (manifest.inputs, manifest.partial) == (changed(stage).inputs, changed(stage).partial)
        assert f"numbers: replacing the dataset at {uri} (inputs changed)" in caplog.text

    def test_of_an_older_version_is_replaced(self, control: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        run_stage(NumbersStage(str(control)), uri, workers=1)
        ran(control)
        monkeypatch.setattr(NumbersStage, "version", 2)
        assert run_stage(NumbersStage(str(control)), uri, workers=1).version == 2
        assert ran(control) == [0, 1, 2, 3]

    @pytest.mark.parametrize("name", [SHARDS[2], "dead_letters-00000-of-00001.txt"])
    @pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])], ids=["gone", "cut"])
    def test_is_made_again_when_a_file_is_missing_or_cut(
        self, control: Path, uri: str, digest: str, name: str, damage: Callable[[Path], object]
    ) -> None:
        run_stage(NumbersStage(str(control)), uri, workers=1)
        damage(Path(uri, name))
        assert run_stage(NumbersStage(str(control)), uri, workers=1).digest == digest
        assert verify(uri) == []

    def test_is_made_again_when_its_manifest_was_changed(
        self, control: Path, uri: str, digest: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        run_stage(NumbersStage(str(control), NumbersConfig(shards=5)), uri, workers=1)
        path = Path(uri, "manifest.json")
        path.write_text(path.read_text().replace('"read": 5000', '"read": 5001'))
        assert run_stage(NumbersStage(str(control)), uri, workers=1).digest == digest
        assert "was changed after it was written" in caplog.text
        assert names(uri) == FILES, "the five shards are gone, though no manifest could be trusted to name them"

    def test_stays_when_the_new_run_cannot_even_begin(self, control: Path, uri: str) -> None:
        class Unplanned(NumbersStage):
            def plan(self) -> Plan:
                raise InputError("the source is gone; bring it back")

        run_stage(NumbersStage(str(control)), uri, workers=1)
        with pytest.raises(InputError, match="the source is gone"):
            run_stage(Unplanned(str(control), NumbersConfig(step=2)), uri, workers=1)
        assert verify(uri) == []


class TestAfterAFailure:
    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("kind", [NumbersStage, StreamedNumbersStage])
    def test_finished_tasks_are_not_done_again(
        self, control: Path, uri: str, digest: str, kind: Callable[[str], MapStage], workers: int
    ) -> None:
        (control / "fail-2").touch()
        with pytest.raises(InputError, match="number 2 is missing"):
            run_stage(kind(str(control)), uri, workers=workers)
        assert find_manifest(uri) is None
        finished = {index for index in range(4) if Path(uri, ".receipts", f"{SHARDS[index]}.json").exists()}
        assert finished
        assert finished <= {0, 1, 3}
        ran(control)
        (control / "fail-2").unlink()
        assert run_stage(kind(str(control)), uri, workers=workers).digest == digest
        assert set(ran(control)) == {0, 1, 2, 3} - finished
        assert names(uri) == FILES

    def test_the_log_tells_what_was_done_before(self, control: Path, uri: str, caplog: pytest.LogCaptureFixture) -> None:
        (control / "fail-2").touch()
        with pytest.raises(InputError):
            run_stage(NumbersStage(str(control)), uri, workers=1)
        (control / "fail-2").unlink()
        with caplog.at_level(logging.INFO):
            run_stage(NumbersStage(str(control)), uri, workers=1)
        assert "numbers: 2 of 4 tasks were done before" in caplog.messages

    @pytest.mark.parametrize("workers", [1, 2])
    def test_no_half_written_file_is_left(self, control: Path, uri: str, workers: int) -> None:
        for name in ("fail-1", "fail-2", "fail-3"):
            (control / name).touch()
        with pytest.raises(InputError):
            run_stage(NumbersStage(str(control)), uri, workers=workers)
        assert {*names(uri)} <= {".receipts", SHARDS[0]}

    @pytest.mark.parametrize("workers", [1, 2])
    def test_where_nothing_was_finished_no_folder_is_left(self, control: Path, uri: str, workers: int, tmp_path: Path) -> None:
        for index in range(4):
            (control / f"fail-{index}").touch()
        with pytest.raises(InputError):
            run_stage(NumbersStage(str(control)), uri, workers=workers)
        assert names(str(tmp_path)) == ["control"], "the folder above is gone too: the run had made it"

    def test_a_folder_of_others_is_left_as_it_was(self, control: Path, uri: str) -> None:
        Path(uri).mkdir(parents=True)
        Path(uri, "notes.txt").write_text("mine")
        (control / "fail-0").touch()
        with pytest.raises(InputError):
            run_stage(NumbersStage(str(control)), uri, workers=1)
        assert names(uri) == ["notes.txt"]

    def test_a_run_of_other_settings_leaves_no_shard_of_the_one_that_failed(self, control: Path, uri: str) -> None:
        (control / "fail-2").touch()
        with pytest.raises(InputError):
            run_stage(NumbersStage(str(control)), uri, workers=1)
        Path(uri, ".receipts", f"{SHARDS[0]}.json").unlink()  # as if it was killed between the shard and its receipt
        run_stage(NumbersStage(str(control), NumbersConfig(shards=2)), uri, workers=1)
        assert [name for name in names(uri) if name.startswith("train")] == [
            "train-00000-of-00002.txt",
            "train-00001-of-00002.txt",
        ]
        assert verify(uri) == []

    def test_a_replaced_dataset_that_failed_is_no_longer_there(self, control: Path, uri: str) -> None:
        run_stage(NumbersStage(str(control)), uri, workers=1)
        (control / "fail-0").touch()
        with pytest.raises(InputError):
            run_stage(NumbersStage(str(control), NumbersConfig(step=2)), uri, workers=1)
        assert not Path(uri).exists()

    def test_a_stream_is_closed_before_the_lock_is_given_up(self, control: Path, uri: str) -> None:
        with pytest.raises(TypeError, match="not JSON serializable"):
            run_stage(UnwritableStage(str(control)), uri, workers=1)
        assert (control / "closed-locked").exists()


class TestAWorkerThatDies:
    def test_is_told_with_the_remedy_and_the_next_run_goes_on(self, control: Path, uri: str, digest: str) -> None:
        (control / "die-3").touch()
        with pytest.raises(WorkerError) as raised:
            run_stage(NumbersStage(str(control)), uri, workers=2)
        message = str(raised.value)
        assert message.startswith("numbers: a worker process died while at work on one of ")
        assert SHARDS[3] in message
        assert message.endswith("run it again to go on from there, with fewer workers if memory is short")
        assert "\n" not in message
        assert find_manifest(uri) is None
        assert not list(Path(uri).glob(".writing-*")), "what the dead worker had begun is gone"
        finished = {index for index in range(4) if Path(uri, ".receipts", f"{SHARDS[index]}.json").exists()}
        assert finished
        ran(control)
        (control / "die-3").unlink()
        assert run_stage(NumbersStage(str(control)), uri, workers=2).digest == digest
        assert set(ran(control)) == {0, 1, 2, 3} - finished


class TestCounters:
    @pytest.mark.parametrize("kind", [DishonestStage, HastyStage])
    def test_that_do_not_add_up_are_an_error_and_no_dataset(
        self, control: Path, uri: str, kind: Callable[[str], MapStage]
    ) -> None:
        with pytest.raises(IntegrityError, match=r"read \d+ but kept \d+"):
            run_stage(kind(str(control)), uri, workers=1)
        assert find_manifest(uri) is None

    def test_may_tell_that_the_result_is_of_no_use(self, control: Path, uri: str) -> None:
        with pytest.raises(InputError, match="none of 4000 numbers is of use"):
            run_stage(UselessStage(str(control)), uri, workers=1)
        assert find_manifest(uri) is None


def test_a_stage_with_nothing_to_do_is_an_error_and_leaves_no_folder(control: Path, uri: str) -> None:
    with pytest.raises(InputError, match="nothing to do, its inputs hold no records; name other inputs"):
        run_stage(NumbersStage(str(control), NumbersConfig(shards=0)), uri)
    assert not Path(uri).exists()


def test_a_second_run_is_refused_while_the_first_goes_on(control: Path, uri: str) -> None:
    (control / "wait-0").touch()
    first = threading.Thread(target=run_stage, args=(NumbersStage(str(control)), uri), kwargs={"workers": 1})
    first.start()
    try:
        while not list(control.glob("ran-0-*")):
            first.join(0.01)
        with pytest.raises(DatasetLockedError, match="is being written by another process"):
            run_stage(NumbersStage(str(control)), uri, workers=1)
    finally:
        (control / "wait-0").unlink()
        first.join()
    assert verify(uri) == []
    assert names(uri) == FILES


class TestIncompleteInput:
    def test_is_refused_with_its_name_and_the_remedy(self, control: Path, uri: str, tmp_path: Path) -> None:
        whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
        run_stage(NumbersStage(str(control)), whole, workers=1)
        manifest = run_stage(CutShortStage(str(control)), cut, workers=1)
        inputs = (InputEntry("whole", "ab" * 32, whole), InputEntry("cut", manifest.digest, cut))
        with pytest.raises(InputError, match=f"numbers: {cut} was made from incomplete input.*--allow-partial"):
            run_stage(NumbersStage(str(control), inputs=inputs, partial=True), uri, workers=1)
        assert not Path(uri).exists()

    def test_is_taken_when_told_and_marks_what_is_made_of_it(self, control: Path, uri: str) -> None:
        assert run_stage(NumbersStage(str(control), partial=True), uri, workers=1, allow_partial=True).partial

    def test_is_taken_by_a_stage_that_only_tells_of_it(self, control: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(NumbersStage, "takes_partial", True)
        assert run_stage(NumbersStage(str(control), partial=True), uri, workers=1).partial

    def test_found_by_a_task_marks_the_dataset_which_is_then_up_to_date(self, control: Path, uri: str) -> None:
        assert run_stage(CutShortStage(str(control)), uri, workers=1).partial
        ran(control)
        assert run_stage(CutShortStage(str(control)), uri, workers=1).partial
        assert ran(control) == []

    def test_found_before_a_kill_is_still_known_when_the_run_goes_on(self, control: Path, uri: str) -> None:
        (control / "fail-3").touch()
        with pytest.raises(InputError):
            run_stage(CutShortStage(str(control)), uri, workers=1)
        (control / "fail-3").unlink()
        assert run_stage(CutShortStage(str(control)), uri, workers=1).partial
        assert sorted(ran(control)).count(2) == 1
