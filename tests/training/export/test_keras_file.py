import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.export.made_models import whole_inputs
from tests.training.models.made import made_model, outputs_of
from threadmill.training.export.keras_file import canonicalise, export_model

pytestmark = pytest.mark.keras


def test_bytes_depend_on_the_model_alone(tmp_path: Path) -> None:
    model = made_model("bert")
    export_model(model, str(tmp_path / "first"))
    model.save(tmp_path / "second.keras")
    canonicalise(str(tmp_path / "second.keras"), str(tmp_path / "canonical.keras"))

    first, second = (tmp_path / "first" / "model.keras").read_bytes(), (tmp_path / "canonical.keras").read_bytes()
    assert first == second
    assert second != (tmp_path / "second.keras").read_bytes()  # or this test would show nothing


@pytest.mark.parametrize("kind", ["bert", "roberta", "pre-norm"])
def test_loaded_model_gives_the_same_logits_and_still_shares_its_embedding(kind: str, tmp_path: Path) -> None:
    model, inputs = made_model(kind), whole_inputs(kind)
    export_model(model, str(tmp_path / "export"))

    assert [path.name for path in (tmp_path / "export").iterdir()] == ["model.keras"]
    with zipfile.ZipFile(tmp_path / "export" / "model.keras") as archive:
        assert archive.namelist() == ["config.json", "metadata.json", "model.weights.h5"]
    loaded = keras.models.load_model(tmp_path / "export" / "model.keras")
    assert loaded.count_params() == model.count_params()
    before, after = outputs_of(model, inputs), outputs_of(loaded, inputs)
    for name in before:  # the same numbers, but a kernel on several threads may sum them in another order
        np.testing.assert_allclose(after[name], before[name], rtol=0, atol=1e-5)
