import errno
import logging
import resource
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import ml_dtypes
import numpy as np
import pytest

from tests.datasets.object_store import ObjectStore
from threadmill.datasets import storage
from threadmill.errors import CheckpointError, ConfigError, DivergenceError, InputError
from threadmill.training.runs import checkpoint_files
from threadmill.training.runs.checkpoint_files import CHECKPOINT_NAME, State
from threadmill.training.runs.checkpoints import Checkpoints, read_weights

RUN: dict[str, str | int | float | bool] = {"steps": 300, "learning_rate": 0.002, "backend": "jax", "records": "a" * 64}


class FaultyStore(ObjectStore):
    """An object store whose objects are refused once ``room`` bytes are taken, or that is gone altogether."""

    protocol = "faulty"
    room = 1 << 30
    gone = False

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        stream: Any = super()._open(path, mode, **options)
        upload = stream._upload_chunk

        def limited(final: bool = False) -> bool:
            self._reach()
            if sum(map(len, ObjectStore.objects.values())) + stream.buffer.tell() > FaultyStore.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return bool(upload(final))

        stream._upload_chunk = limited
        return stream

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        self._reach()
        return super().ls(path, detail, **options)

    def _rm(self, path: str) -> None:
        self._reach()
        super()._rm(path)

    @staticmethod
    def _reach() -> None:
        if FaultyStore.gone:
            raise ConnectionError("the bucket does not exist")


fsspec.register_implementation("faulty", FaultyStore, clobber=True)


@pytest.fixture(params=["local", "bucket"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A place for checkpoints: a folder, or a bucket of an object store."""
    yield str(tmp_path / "checkpoints") if request.param == "local" else "objects://bucket/checkpoints"
    ObjectStore.objects.clear()


@pytest.fixture
def faulty() -> Iterator[str]:
    yield "faulty://bucket/checkpoints"
    FaultyStore.room, FaultyStore.gone = 1 << 30, False
    ObjectStore.objects.clear()


def state_of(step: int, size: int = 3) -> State:
    return {
        "model/dense/kernel": np.full((size, 2), step, np.float32),
        "model/dense/half": np.full(2, step).astype(ml_dtypes.bfloat16),
        "model/dropout/seed": np.array([step, 2**31], np.uint32),
        "optimizer/iterations": np.array(step),
    }


def opened(uri: str, keep: int = 3, **changes: Any) -> Checkpoints:
    return Checkpoints(uri, keep, {**RUN, **changes})


def save(uri: str, *steps: int, keep: int = 3) -> Checkpoints:
    checkpoints = opened(uri, keep)
    for step in steps:
        checkpoints.save(step, state_of(step), loss=1 / step)
    return checkpoints


def restored_step(uri: str, at_most: int = 100) -> int:
    """The step that is restored, whose whole state must be as it was saved."""
    step, state = opened(uri).restore(at_most)
    expected = state_of(step) if step else {}
    assert {name: (value.dtype, value.tobytes()) for name, value in state.items()} == {
        name: (value.dtype, value.tobytes()) for name, value in expected.items()
    }
    return step


def test_newest_are_kept_and_the_newest_is_restored(uri: str) -> None:
    checkpoints = save(uri, 10, 20, 30, 40, 50)

    assert checkpoints.steps == [30, 40, 50]
    assert storage.list_names(uri) == ["step-30", "step-40", "step-50"]
    assert restored_step(uri) == 50


def test_nothing_is_restored_where_there_is_nothing(uri: str) -> None:
    assert opened(uri).restore(at_most=100) == (0, {})


def test_half_written_one_is_never_seen_and_removed(uri: str) -> None:
    save(uri, 10)
    half = storage.join(uri, "step-20", "state-00001-of-00002.safetensors")
    storage.make_directory(storage.join(uri, "step-20"))
    storage.write_bytes(half, b"half")

    assert opened(uri).steps == [10]
    assert restored_step(uri) == 10
    assert not storage.exists(half)


def test_one_beyond_the_end_of_the_loss_log_is_passed_over_and_saved_again(uri: str) -> None:
    save(uri, 40, 50)
    checkpoints = opened(uri)

    assert restored_step(uri, at_most=45) == 40
    assert checkpoints.restore(at_most=45)[0] == 40
    checkpoints.save(50, {**state_of(50), "more": np.zeros(2)}, loss=0.5)
    assert "more" in opened(uri).restore(at_most=50)[1]


def damage_data(uri: str) -> None:
    name = storage.join(uri, "step-50", "state-00001-of-00001.safetensors")
    content = storage.read_bytes(name)
    storage.write_bytes(name, content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])  # one bit


def cut_data(uri: str) -> None:
    name = storage.join(uri, "step-50", "state-00001-of-00001.safetensors")
    storage.write_bytes(name, storage.read_bytes(name)[:-1])


def remove_data(uri: str) -> None:
    storage.remove(storage.join(uri, "step-50", "state-00001-of-00001.safetensors"))


def cut_description(uri: str) -> None:
    name = storage.join(uri, "step-50", CHECKPOINT_NAME)
    storage.write_bytes(name, storage.read_bytes(name)[:99])


@pytest.mark.parametrize("damage", [damage_data, cut_data, remove_data, cut_description])
def test_damaged_one_is_passed_over_and_named(uri: str, damage: Callable[[str], None], caplog: pytest.LogCaptureFixture) -> None:
    save(uri, 40, 50)
    damage(uri)

    with caplog.at_level(logging.WARNING):
        assert restored_step(uri) == 40
    assert caplog.messages[0].startswith(f"{uri}/step-50 is damaged and passed over (")


def test_run_is_not_begun_anew_over_checkpoints_that_none_can_go_on_from(uri: str) -> None:
    save(uri, 40, 50)

    with pytest.raises(
        CheckpointError, match=r"none of the 2 .* losses.jsonl is whole up to step 9, and it is of step 50\); bring"
    ):
        opened(uri).restore(at_most=9)
    assert opened(uri).steps == [40, 50]


def test_run_is_not_begun_anew_over_damaged_checkpoints(uri: str) -> None:
    save(uri, 50)
    remove_data(uri)

    with pytest.raises(CheckpointError, match=r"none of the 1 .*/step-50/state-00001-of-00001.safetensors is missing\); bring"):
        opened(uri).restore(at_most=100)


def test_checkpoint_under_another_name_is_none_of_that_step(tmp_path: Path) -> None:
    save(str(tmp_path), 40, 50)
    (tmp_path / "step-50").rename(tmp_path / "step-60")

    assert restored_step(str(tmp_path)) == 40


def test_checkpoint_of_other_settings_is_refused_with_what_differs(uri: str) -> None:
    save(uri, 10)

    with pytest.raises(ConfigError) as error:
        opened(uri, steps=500, records="b" * 64).restore(at_most=100)
    assert f"{uri}/step-10 is a checkpoint of a run of other settings (steps was 300, is 500, records was aaaaaaaaaaaa, " in str(
        error.value
    )
    assert restored_step(uri) == 10  # it is left as it is


def test_state_is_divided_into_files_of_bounded_size(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_files, "_FILE_BYTES", 1000)
    state = {f"model/{number:02}": np.full(50, number, np.float32) for number in range(12)}
    opened(uri).save(1, state, 0.5)

    names = storage.list_names(storage.join(uri, "step-1"))
    assert names == [CHECKPOINT_NAME, *(f"state-{number:05}-of-00003.safetensors" for number in (1, 2, 3))]
    step, found = opened(uri).restore(at_most=1)
    assert (step, sorted(found)) == (1, sorted(state))
    assert all((found[name] == values).all() for name, values in state.items())


def test_saving_holds_no_second_copy_of_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_files, "_FILE_BYTES", 1 << 22)
    state = {f"model/{number}": np.ones(1 << 20, np.float32) for number in range(16)}  # 64 MB
    tracemalloc.start()
    opened(str(tmp_path)).save(1, state, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 20_000_000


def test_best_is_kept_besides(uri: str) -> None:
    checkpoints = save(uri, 10, keep=1)
    assert checkpoints.best is None
    checkpoints.save_best(10, state_of(10), loss=2.5)
    checkpoints.save_best(30, state_of(30), loss=1.5)
    checkpoints.save(40, state_of(40), loss=3)

    best = opened(uri).best
    assert best is not None
    assert (best.step, best.loss, best.backend) == (30, 1.5, "jax")
    assert storage.list_names(uri) == ["best", "step-40"]
    assert storage.list_names(storage.join(uri, "best")) == [CHECKPOINT_NAME, "step-30-state-00001-of-00001.safetensors"]
    step, state = opened(uri).restore_best()
    assert (step, int(state["optimizer/iterations"])) == (30, 30)


def test_last_good_is_the_newest_up_to_a_step_or_else_the_best(uri: str) -> None:
    checkpoints = save(uri, 10, 20, 30, 40)
    assert checkpoints.last_good(35) == f"{uri}/step-30"
    assert checkpoints.last_good(15) == ""  # step 10's is no longer kept
    checkpoints.save_best(10, state_of(10), loss=2.5)
    assert checkpoints.last_good(15) == f"{uri}/best"
    assert checkpoints.last_good(9) == ""
    resumed = opened(uri)
    resumed.restore(at_most=100)
    assert resumed.last_good(35) == f"{uri}/step-30"


def test_best_outlives_a_save_that_was_cut_off(faulty: str) -> None:
    opened(faulty).save_best(10, state_of(10), loss=2.5)
    FaultyStore.room = 2500
    with pytest.raises(CheckpointError):
        opened(faulty).save_best(20, state_of(20, size=500), loss=2)
    FaultyStore.room = 1 << 30

    assert opened(faulty).restore_best()[0] == 10
    assert storage.list_names(storage.join(faulty, "best")) == [CHECKPOINT_NAME, "step-10-state-00001-of-00001.safetensors"]


def test_full_disk_fails_loudly_and_loses_no_earlier_checkpoint(tmp_path: Path) -> None:
    checkpoints = save(str(tmp_path), 10, 20, keep=2)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))  # the system's own refusal (EFBIG), as by a quota
    try:
        with pytest.raises(CheckpointError) as error:
            checkpoints.save(30, state_of(30, size=5000), loss=0.1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    told = str(error.value)
    assert told.startswith(f"the checkpoint of step 30 is not saved in {tmp_path}/step-30 (OSError: [Errno 27] File too large")
    assert f"; the newest good checkpoint is {tmp_path}/step-20; see that the place is there" in told
    assert "\n" not in told
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-10", "step-20"]
    assert restored_step(str(tmp_path)) == 20
    assert save(str(tmp_path), 30).steps == [10, 20, 30]


def test_full_bucket_fails_loudly_and_loses_no_earlier_checkpoint(faulty: str) -> None:
    checkpoints = save(faulty, 10, 20, keep=2)
    FaultyStore.room = 4000
    with pytest.raises(CheckpointError, match=r"No space left on device.*; the newest good checkpoint is faulty://.*/step-20;"):
        checkpoints.save(30, state_of(30, size=500), loss=0.1)
    FaultyStore.room = 1 << 30

    assert storage.list_names(faulty) == ["step-10", "step-20"]
    assert restored_step(faulty) == 20


def test_lost_bucket_fails_loudly_and_the_next_run_goes_on(faulty: str) -> None:
    checkpoints = save(faulty, 10, 20)
    FaultyStore.gone = True
    with pytest.raises(CheckpointError) as error:
        checkpoints.save(30, state_of(30), loss=0.1)
    told = str(error.value)
    assert told.startswith(f"the checkpoint of step 30 is not saved in {faulty}/step-30 (ConnectionError: the bucket does not ")
    assert f"the newest good checkpoint is {faulty}/step-20" in told
    with pytest.raises(CheckpointError, match=r"are not read .ConnectionError: .*; no checkpoint was saved or read before"):
        opened(faulty).restore(at_most=100)  # it does not begin anew in silence

    FaultyStore.gone = False
    assert restored_step(faulty) == 20


def test_logs_are_in_place_before_a_checkpoint_counts(faulty: str) -> None:
    def fail() -> None:
        raise ConnectionError("the bucket does not exist")

    with pytest.raises(CheckpointError):
        Checkpoints(faulty, 3, RUN, before_publishing=fail).save(10, state_of(10), loss=1)
    assert opened(faulty).steps == []


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_never_saved(uri: str, number: float) -> None:
    checkpoints = save(uri, 10)
    state = state_of(20)
    state["model/dense/half"][1] = number

    with pytest.raises(DivergenceError) as error:
        checkpoints.save(20, state, loss=0.1)
    assert str(error.value).startswith("training diverged at step 20: model/dense/half is not finite after it, and is not saved")
    assert f"(the last good checkpoint is {uri}/step-10)" in str(error.value)
    assert checkpoints.steps == [10]


def test_weights_are_read_from_a_checkpoint_or_the_newest_of_a_folder(uri: str) -> None:
    save(uri, 10, 20, 50)
    damage_data(uri)

    for place, step in ((uri, 20), (storage.join(uri, "step-10"), 10)):
        weights = read_weights(place)
        assert sorted(weights) == ["dense/half", "dense/kernel", "dropout/seed"]
        assert (weights["dense/kernel"] == step).all()


def test_weights_are_read_without_the_optimizers_files(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_files, "_FILE_BYTES", 40)
    save(uri, 10)
    place = storage.join(uri, "step-10")
    [_, *_, last] = storage.list_names(place)
    storage.remove(storage.join(place, last))

    assert len(read_weights(place)) == 3


def test_no_weights_are_told_with_the_place(uri: str) -> None:
    with pytest.raises(InputError, match=r"/checkpoints holds no whole checkpoint \(it has neither checkpoint.json nor a folder"):
        read_weights(uri)
    save(uri, 50)
    damage_data(uri)
    with pytest.raises(InputError, match=r"step-50 holds no whole checkpoint .*has another SHA-256 than when it was written"):
        read_weights(storage.join(uri, "step-50"))
