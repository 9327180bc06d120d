import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.training.export.made_models import made_evaluation, manifest, model_dataset
from tests.training.models.made import made_model
from threadmill.cli import main
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest, write_manifest
from threadmill.errors import ConfigError, InputError, IntegrityError
from threadmill.training.export.formats import ExportConfig
from threadmill.training.export.stage import ExportStage, run_export

pytestmark = pytest.mark.keras

HUGGING_FACE = ExportConfig(to="huggingface")


def digests(found: Manifest) -> dict[str, str]:
    return {shard.name: shard.sha256 for shard in found.shards}


def test_model_is_exported_from_the_shell_once(tmp_path: Path) -> None:
    model, output = model_dataset(tmp_path / "model", "bert", made_model("bert")), tmp_path / "out"
    command = ["--quiet", "export", str(model), "--to", "huggingface", "--output", str(output)]

    assert main(command) == 0

    found = Dataset.open(str(output)).manifest
    assert (found.stage, found.config["to"]) == ("export", "huggingface")
    assert found.counters.to_json() == {"read": 1, "kept": 1, "dropped": {}, "written": 1}
    assert found.inputs == (Dataset.open(str(model)).as_input(),)
    assert verify(str(output)) == []
    names = {"README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
    assert set(digests(found)) == names
    assert {path.name for path in output.iterdir()} == {*names, "manifest.json"}  # no log, no status
    embedding = load_file(output / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    np.testing.assert_array_equal(embedding, made_model("bert").get_layer("token_embedding").embeddings.numpy())
    written = os.stat(output / "model.safetensors").st_mtime_ns
    assert main(command) == 0
    assert os.stat(output / "model.safetensors").st_mtime_ns == written


@pytest.mark.slow
@pytest.mark.parametrize("to", ["keras", "savedmodel", "huggingface"])
def test_two_exports_of_a_model_are_of_the_same_bytes(to: str, tmp_path: Path) -> None:
    model = model_dataset(tmp_path / "model", "post-norm", made_model("post-norm"))
    first = run_export(str(model), str(tmp_path / "first" / "a"), ExportConfig(to=to))
    second = run_export(str(model), str(tmp_path / "second" / "a"), ExportConfig(to=to))

    assert digests(first) == digests(second)
    assert first.digest == second.digest
    assert verify(str(tmp_path / "second" / "a")) == []


@pytest.mark.slow
def test_another_format_takes_the_place_of_one_exported_before(tmp_path: Path) -> None:
    model, output = model_dataset(tmp_path / "model", "bert", made_model("bert")), str(tmp_path / "out")
    saved = run_export(str(model), output, ExportConfig(to="savedmodel"))
    keras_file = run_export(str(model), output, ExportConfig(to="keras"))

    assert set(digests(saved)) == {"saved_model.pb", "variables/variables.data-00000-of-00001", "variables/variables.index"}
    assert set(digests(keras_file)) == {"config.json", "model.keras", "vocab.txt"}
    assert (tmp_path / "out" / "model.keras").read_bytes() == (model / "model.keras").read_bytes()
    assert not (tmp_path / "out" / "saved_model.pb").exists()


def test_evaluation_is_an_input_of_the_card_only_where_it_is_of_this_model(tmp_path: Path) -> None:
    model = str(model_dataset(tmp_path / "model", "bert", made_model("bert")))
    name = Dataset.open(model).manifest.name

    made_evaluation(Path(model), {"masked_loss": 1.0})
    assert [entry.name for entry in ExportStage(model, HUGGING_FACE).plan().inputs] == [name, "evaluation"]
    assert [entry.name for entry in ExportStage(model, ExportConfig(to="keras")).plan().inputs] == [name]
    made_evaluation(Path(model), {"masked_loss": 1.0}, of_digest="c" * 64)
    assert [entry.name for entry in ExportStage(model, HUGGING_FACE).plan().inputs] == [name]


def test_what_is_no_finished_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="nothing"):
        ExportStage(str(tmp_path / "nothing")).plan()
    (tmp_path / "unfinished" / ".receipts").mkdir(parents=True)
    with pytest.raises(InputError, match="is the output of a run that has not ended"):
        ExportStage(str(tmp_path / "unfinished")).plan()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a").write_bytes(b"")
    write_manifest(str(tmp_path / "records"), manifest("records", "records", ()))
    with pytest.raises(InputError, match="a dataset of the stage records, not a model; name a model's folder"):
        ExportStage(str(tmp_path / "records")).plan()
    model = str(model_dataset(tmp_path / "model", "bert", made_model("bert")))
    with pytest.raises(InputError, match="is an input, so that it cannot be the output"):
        run_export(model, model)


def test_model_that_was_changed_is_refused_before_it_is_read(tmp_path: Path) -> None:
    model = model_dataset(tmp_path / "model", "bert", made_model("bert"))
    content = (model / "config.json").read_bytes()
    (model / "config.json").write_bytes(content.replace(b'"bert"', b'"BERT"'))

    with pytest.raises(IntegrityError, match=r"config\.json: its SHA-256 differs from the manifest's"):
        run_export(str(model), str(tmp_path / "out"))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_wrong_settings_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["export", str(tmp_path), "--to", "onnx", "--output", str(tmp_path / "out")]) == 2
    assert "invalid choice: 'onnx'" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="language is 'English'; use a language's code, such as en"):
        ExportConfig(language="English")
    with pytest.raises(ConfigError, match="license is 'Apache 2'; use a licence's name"):
        ExportConfig(license="Apache 2")
