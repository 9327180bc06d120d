"""Models are initialised with the weights of files and checkpoints, of either backend, and refuse what does not fit."""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import orjson
import pytest

from threadmill.errors import ConfigError, InputError
from threadmill.training.export.keras_file import export_model
from threadmill.training.initial_weights import find_weights, model_facts, read_source
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, PRESETS, ROBERTA, ModelPreset, ModelSizes
from threadmill.training.runs.checkpoints import Checkpoints
from threadmill.training.runs.workspace import MODEL_NAME
from threadmill.training.warm_start import initialise, warm_start

pytestmark = pytest.mark.keras

PRESET = ModelPreset(1, 16, 2, 32, 1e-3)
SIZES = ModelSizes(30, 8)
IDENTITY = {"model": "bert-tiny", "vocabulary": "a" * 64, "backend": keras.backend.backend()}


def model_of(architecture: str = BERT, sizes: ModelSizes = SIZES, **fields: Any) -> Any:
    encoder_layers = 1 if architecture == ENCODER_DECODER else 0
    preset = replace(PRESET, architecture=architecture, encoder_layers=encoder_layers)
    return build_model(replace(preset, **fields), sizes, dropout=0.1)


def values_of(model: Any) -> dict[str, np.ndarray]:
    return {variable.path: keras.ops.convert_to_numpy(variable.value).copy() for variable in model.weights}


def save_checkpoint(model: Any, folder: Path, step: int, identity: Mapping[str, Any] = IDENTITY) -> str:
    """A checkpoint of the model, with the states of its random generators and something of an optimizer."""
    state = {f"model/{variable.path}": keras.ops.convert_to_numpy(variable.value).copy() for variable in model.variables}
    state["optimizer/iteration"] = np.array(step)
    checkpoints = Checkpoints(str(folder), 5, dict(identity))
    checkpoints.save(step, state, 1.0)
    return checkpoints.place(step)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model."""
    folder = str(tmp_path_factory.mktemp("bert"))
    export_model(model_of(), folder)
    return folder


@pytest.mark.parametrize("architecture", [ROBERTA, ENCODER_DECODER, CAUSAL])
def test_a_model_begins_as_another_ended_whether_it_is_a_file_or_a_checkpoint(tmp_path: Path, architecture: str) -> None:
    sizes = replace(SIZES, max_target_length=6) if architecture == ENCODER_DECODER else SIZES
    trained = model_of(architecture, sizes)
    export_model(trained, str(tmp_path / "model"))
    save_checkpoint(trained, tmp_path / "checkpoints", 7)
    for uri in (str(tmp_path / "model"), str(tmp_path)):
        model = model_of(architecture, sizes)
        states = [variable for variable in model.variables if variable.path.endswith("seed_generator_state")]
        before = [keras.ops.convert_to_numpy(state.value).copy() for state in states]
        report = initialise(model, read_source(find_weights(uri)))
        for found, expected in zip(values_of(model).values(), values_of(trained).values(), strict=True):
            np.testing.assert_array_equal(found, expected)
        assert report.taken == len(model.weights)
        assert (report.cut, report.random, report.unused) == ({}, (), ())
        assert states
        for state, value in zip(states, before, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(state.value), value)


def test_heads_that_only_one_has_are_told_and_left_as_they_were(
    tmp_path: Path, bert: str, caplog: pytest.LogCaptureFixture
) -> None:
    export_model(model_of(sizes=replace(SIZES, next_sentence=True)), str(tmp_path))
    without = keras.models.load_model(Path(bert, MODEL_NAME), compile=False)
    trained = values_of(without)
    heads = ("pooled_dense/kernel", "pooled_dense/bias", "next_sentence/kernel", "next_sentence/bias")
    with caplog.at_level(logging.INFO):
        assert warm_start(without, str(tmp_path), {}).unused == heads
    assert "not in the model, so unused: pooled_dense/kernel" in caplog.text

    new = model_of(sizes=replace(SIZES, next_sentence=True))
    before = values_of(new)
    with caplog.at_level(logging.INFO):
        assert warm_start(new, bert, {}).random == heads
    assert "not in the weights, so random: pooled_dense/kernel" in caplog.text
    for path, value in values_of(new).items():
        np.testing.assert_array_equal(value, before[path] if path in heads else trained[path])


@pytest.mark.parametrize(("rows", "longer"), [(5, 8), (8, 5)])
def test_of_positions_of_another_length_the_first_are_taken(tmp_path: Path, rows: int, longer: int) -> None:
    trained = model_of(ENCODER_DECODER, ModelSizes(30, rows, 4))
    export_model(trained, str(tmp_path / "model"))
    model = model_of(ENCODER_DECODER, ModelSizes(30, longer, 3))
    before = values_of(model)
    report = initialise(model, read_source(find_weights(str(tmp_path / "model"))))
    paths = ("encoder_position_embedding/embeddings", "decoder_position_embedding/embeddings")
    assert report.cut == dict.fromkeys(paths, (rows, longer))
    assert f"with the first 5 rows of {rows}, of its own {longer}" in str(report)
    for path, value in values_of(model).items():
        expected = values_of(trained)[path]
        np.testing.assert_array_equal(value[:5] if path in paths else value, expected[:5] if path in paths else expected)
        if path in paths:
            np.testing.assert_array_equal(value[5:], before[path][5:])


@pytest.mark.parametrize(
    ("architecture", "sizes", "fields", "message"),
    [
        (BERT, ModelSizes(31, 8), {}, r"\(vocabulary_size was 30, is 31\)"),
        (BERT, SIZES, {"num_layers": 2, "hidden_dim": 32}, "hidden_dim was 16, is 32, number of transformer_layers was 1, is 2"),
        (BERT, SIZES, {"intermediate_dim": 64}, "feedforward_intermediate_dense/kernel was 16 x 32, is 16 x 64"),
        (BERT, SIZES, {"num_heads": 4}, "query/kernel was 16 x 2 x 8, is 16 x 4 x 4"),
        (ROBERTA, SIZES, {}, "segment_embedding/embeddings was 2 x 16, is absent"),
        (CAUSAL, SIZES, {}, "number of transformer_layers was 1, is 0, number of layers was 0, is 1"),
    ],
)
def test_weights_of_other_sizes_are_refused_by_name_and_nothing_is_set(
    bert: str, architecture: str, sizes: ModelSizes, fields: dict[str, Any], message: str
) -> None:
    model = model_of(architecture, sizes, **fields)
    before = values_of(model)
    with pytest.raises(ConfigError, match=message):
        warm_start(model, bert, {})
    for path, value in values_of(model).items():
        np.testing.assert_array_equal(value, before[path])


def test_what_a_checkpoint_or_a_config_tells_is_refused_before_weights_are_read(tmp_path: Path, bert: str) -> None:
    model = keras.models.load_model(Path(bert, MODEL_NAME), compile=False)
    expected = model_facts(PRESETS["bert-tiny"], 30, "b" * 64)
    step = save_checkpoint(model, tmp_path / "checkpoints", 3)
    with pytest.raises(ConfigError, match=r"step-3 \(vocabulary_digest was aaaaaaaaaaaa, is bbbbbbbbbbbb\)"):
        warm_start(model, step, expected)
    with pytest.raises(ConfigError, match="num_layers was 2, is 4, hidden_dim was 128, is 256, num_heads was 2, is 4"):
        warm_start(model, step, model_facts(PRESETS["bert-mini"], 30, "a" * 64))
    export_model(model, str(tmp_path / "model"))
    described = {**expected, "architecture": "roberta", "objective": "roberta"}
    (tmp_path / "model" / "config.json").write_bytes(orjson.dumps(described))
    with pytest.raises(ConfigError, match=r"\(architecture was roberta, is bert\)"):
        warm_start(model, str(tmp_path / "model"), expected)


def test_damaged_weights_are_told_with_their_file(tmp_path: Path, bert: str) -> None:
    content = bytearray(Path(bert, MODEL_NAME).read_bytes())
    content[len(content) // 2] ^= 1
    for name, damaged in (("cut.keras", content[:-100]), ("changed.keras", content)):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError, match=f"{name} cannot be read as a Keras file"):
            read_source(find_weights(str(tmp_path / name)))


OTHER_BACKEND = """
import sys
import numpy as np
from tests.training.test_warm_start import model_of, save_checkpoint, values_of
from pathlib import Path
from threadmill.training.export.keras_file import export_model
folder = Path(sys.argv[1])
model = model_of("encoder_decoder")
export_model(model, str(folder / "model"))
save_checkpoint(model, folder / "checkpoints", 1)
np.savez(folder / "values.npz", **{path.replace("/", ":"): value for path, value in values_of(model).items()})
"""


@pytest.mark.slow
def test_weights_of_the_other_backend_are_taken_bit_for_bit(tmp_path: Path) -> None:
    other = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    environment = {**os.environ, "KERAS_BACKEND": other, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", OTHER_BACKEND, str(tmp_path)], env=environment, check=True)
    with np.load(tmp_path / "values.npz") as arrays:
        expected = {name.replace(":", "/"): arrays[name] for name in arrays}
    for uri in (tmp_path / "model", tmp_path / "checkpoints"):
        model = model_of(ENCODER_DECODER)
        warm_start(model, str(uri), {})
        for path, value in values_of(model).items():
            np.testing.assert_array_equal(value, expected[path])
