"""A finished model is opened in one way by evaluation, export and generation."""

from pathlib import Path

import pytest

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import FileEntry, Manifest, write_manifest
from threadmill.errors import InputError, IntegrityError
from threadmill.training.finished_model import open_finished


def write_dataset(folder: Path, stage: str, config: bytes) -> str:
    folder.mkdir()
    (folder / "config.json").write_bytes(config)
    entry = FileEntry("config.json", 1, len(config), "")
    write_manifest(str(folder), Manifest(folder.name, stage, 2, {}, (), (), (entry,), Counters(written=1)))
    return str(folder)


def test_model_is_described_by_its_config(tmp_path: Path) -> None:
    model = open_finished(write_dataset(tmp_path / "model", "train", b'{"objective": "bert"}'))

    assert model.dataset.manifest.name == "model"
    assert model.described == {"objective": "bert"}


def test_what_is_no_finished_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a dataset of the stage records, not a model; name a model's folder"):
        open_finished(write_dataset(tmp_path / "records", "records", b"{}"))
    (tmp_path / "running" / ".receipts").mkdir(parents=True)
    with pytest.raises(InputError, match="is the output of a run that has not ended"):
        open_finished(str(tmp_path / "running"))


@pytest.mark.parametrize("damage", [b"{", b"", None])
def test_damaged_description_is_told(tmp_path: Path, damage: bytes | None) -> None:
    uri = write_dataset(tmp_path / "model", "train", b"{}")
    path = tmp_path / "model" / "config.json"
    path.unlink() if damage is None else path.write_bytes(damage)

    with pytest.raises(IntegrityError, match=r"config\.json was removed or changed after .* train the model again"):
        open_finished(uri)
