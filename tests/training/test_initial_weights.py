"""Initial weights are found and judged without Keras."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from threadmill.errors import ConfigError, InputError
from threadmill.training.initial_weights import check_facts, find_weights, initial_digest, model_facts
from threadmill.training.models.presets import PRESETS
from threadmill.training.runs.checkpoints import Checkpoints
from threadmill.training.runs.identity import Identity

IDENTITY: Identity = {"model": "blender-tiny", "vocabulary": "a" * 64, "backend": "jax", "seed": 3}
STATE = {"model/dense/kernel": np.ones((2, 2), np.float32), "optimizer/iteration": np.array(1)}


def checkpoints(folder: Path, *steps: int) -> Checkpoints:
    made = Checkpoints(str(folder), 9, IDENTITY)
    for step in steps:
        made.save(step, STATE, 0.5)
    return made


def test_the_newest_checkpoint_of_a_run_is_taken_by_number(tmp_path: Path) -> None:
    made = checkpoints(tmp_path / "checkpoints", 90, 100)
    assert find_weights(str(tmp_path)).uri == find_weights(str(tmp_path / "checkpoints")).uri == made.place(100)
    assert find_weights(made.place(90) + "/").uri == made.place(90)


def test_one_that_is_not_whole_is_passed_over(tmp_path: Path) -> None:
    made = checkpoints(tmp_path / "checkpoints", 1, 2)
    (tmp_path / "checkpoints" / "step-2" / "checkpoint.json").unlink()
    assert find_weights(str(tmp_path)).uri == made.place(1)


def test_the_best_checkpoint_can_be_named(tmp_path: Path) -> None:
    checkpoints(tmp_path).save_best(4, STATE, 0.1)
    assert find_weights(str(tmp_path / "best")).facts["architecture"] == "encoder_decoder"


def test_a_finished_model_comes_before_the_checkpoints_of_its_run(tmp_path: Path) -> None:
    checkpoints(tmp_path / "checkpoints", 5)
    (tmp_path / "model.keras").write_bytes(b"a model")
    assert find_weights(str(tmp_path)).uri == str(tmp_path / "model.keras")


def test_the_digest_tells_weights_apart_and_does_not_depend_on_time_or_place(tmp_path: Path) -> None:
    one, two = (checkpoints(tmp_path / name, 1) for name in ("one", "two"))
    assert initial_digest(one.place(1)) == initial_digest(two.place(1))
    one.save(2, {**STATE, "model/dense/kernel": np.zeros((2, 2), np.float32)}, 0.5)
    two.save(2, STATE, 0.5)
    digests = {initial_digest(made.place(step)) for made in (one, two) for step in (1, 2)}
    assert len(digests) == 3
    for name, content in (("a.keras", b"a"), ("b.keras", b"b")):
        (tmp_path / name).write_bytes(content)
    assert initial_digest(str(tmp_path / "a.keras")) != initial_digest(str(tmp_path / "b.keras"))


def test_facts_that_differ_are_named_and_unknown_ones_are_not(tmp_path: Path) -> None:
    source = find_weights(str(tmp_path if checkpoints(tmp_path, 1) else ""))
    check_facts(source, model_facts(PRESETS["blender-tiny"], 30, "a" * 64))
    with pytest.raises(ConfigError) as told:
        check_facts(source, {**model_facts(PRESETS["blender-tiny"], 30, "b" * 64), "hidden_dim": 1})
    assert "hidden_dim was " in str(told.value)
    assert "vocabulary_digest was aaaaaaaaaaaa, is bbbbbbbbbbbb" in str(told.value)
    assert "num_heads" not in str(told.value)


def test_sizes_that_a_run_set_are_its_checkpoints(tmp_path: Path) -> None:
    made = Checkpoints(str(tmp_path), 1, {**IDENTITY, "num_layers": 3, "hidden_dim": 64, "num_heads": 0})
    made.save(1, STATE, 0.5)
    facts = find_weights(str(tmp_path)).facts
    assert (facts["num_layers"], facts["hidden_dim"], facts["intermediate_dim"]) == (3, 64, 256)
    assert facts["num_heads"] == PRESETS["blender-tiny"].num_heads


@pytest.mark.parametrize("name", ["nothing", "nothing.keras", "empty", "full", "folder.keras"])
def test_places_without_weights_are_told(tmp_path: Path, name: str) -> None:
    for folder in ("empty", "full/step-3", "folder.keras"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(InputError, match=f"{name} for the initial weights, which (holds none|is empty)"):
        find_weights(str(tmp_path / name))


def test_neither_keras_nor_a_backend_is_imported(tmp_path: Path) -> None:
    made = checkpoints(tmp_path, 1)
    code = (
        "import sys; from threadmill.training.initial_weights import initial_digest; "
        f"initial_digest({made.place(1)!r}); assert not {{'keras', 'tensorflow', 'jax'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    made = checkpoints(tmp_path, 1, 2)
    (tmp_path / "step-2" / "checkpoint.json").write_text('{"step": 2, "iden')
    assert find_weights(str(tmp_path)).uri == made.place(1)
    with pytest.raises(InputError, match=r"step-2 for the initial weights, which holds none"):
        find_weights(made.place(2))
