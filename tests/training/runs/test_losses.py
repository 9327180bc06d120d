from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.training.runs.losses import LossLog


def log_steps(path: Path, first: int, last: int) -> None:
    with LossLog(str(path)) as log:
        log.append({"step": step, "loss": step / 8} for step in range(first, last + 1))


def test_a_line_a_step(tmp_path: Path) -> None:
    log_steps(tmp_path / "losses.jsonl", 1, 2)

    assert (tmp_path / "losses.jsonl").read_text() == '{"step":1,"loss":0.125}\n{"step":2,"loss":0.25}\n'


def test_resumed_run_leaves_one_line_a_step(tmp_path: Path) -> None:
    path, undisturbed = tmp_path / "losses.jsonl", tmp_path / "undisturbed.jsonl"
    log_steps(undisturbed, 1, 9)
    log_steps(path, 1, 7)  # killed after step 7, when the newest checkpoint was of step 4
    with LossLog(str(path)) as log:
        log.cut(4)
        log.append({"step": step, "loss": step / 8} for step in range(5, 10))

    assert path.read_bytes() == undisturbed.read_bytes()


def test_line_that_was_cut_off_is_no_step(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    log_steps(path, 1, 3)
    path.write_bytes(path.read_bytes()[:-4])

    with LossLog(str(path)) as log:
        assert log.steps == 2
        log.append([{"step": 3, "loss": 0.375}])
    assert [line.startswith(f'{{"step":{step},') for step, line in enumerate(path.read_text().splitlines(), 1)] == [True] * 3


@given(st.data())
def test_log_cut_anywhere_holds_its_whole_lines(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "losses.jsonl"
        log_steps(path, 1, 12)
        content = path.read_bytes()
        kept = content[: data.draw(st.integers(0, len(content)))]
        path.write_bytes(kept)

        with LossLog(str(path)) as log:
            assert log.steps == kept.count(b"\n")
            log.append({"step": step, "loss": step / 8} for step in range(log.steps + 1, 13))
        assert path.read_bytes() == content


def test_lines_that_do_not_count_up_are_no_steps(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    path.write_text('{"step":1,"loss":1}\n{"step":3,"loss":1}\n')

    with LossLog(str(path)) as log:
        assert log.steps == 1


@pytest.mark.parametrize(
    "line", ['{"step":2,garbage', '{"step":2}', '{"step":2,"loss":null}', '{"step":2,"loss":"low"}', "[]", "\xff"]
)
def test_line_that_tells_no_loss_ends_the_steps_and_nothing_is_removed_yet(tmp_path: Path, line: str) -> None:
    path = tmp_path / "losses.jsonl"
    content = f'{{"step":1,"loss":2.5}}\n{line}\n{{"step":3,"loss":2.5}}\n'
    path.write_text(content, encoding="latin-1")

    with LossLog(str(path)) as log:
        assert (log.steps, log.read()) == (1, [2.5])
    assert path.read_text(encoding="latin-1") == content
