from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors
from safetensors.numpy import load_file

from tests.datasets.object_store import ObjectStore
from threadmill.training.runs import tensor_files
from threadmill.training.runs.tensor_files import DamagedFileError, FileDigest, read_tensors, write_tensors

TENSORS = {
    "a/bool": np.array([True, False, True]),
    "b/scalar": np.array(7, np.int64),
    "c/empty": np.zeros((0, 3), np.float32),
    "d/weights": np.arange(12, dtype=np.float32).reshape(3, 4),
    "e/transposed": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "f/seed": np.array([1, 2**32 - 1], np.uint32),
    "g/half": np.array([0.5, -2], np.float16),
}


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    write_tensors(str(tmp_path / "state.safetensors"), TENSORS)

    found = load_file(tmp_path / "state.safetensors")
    assert sorted(found) == sorted(TENSORS)
    for name, values in TENSORS.items():
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("place", ["local", "bucket"])
def test_arrays_come_back_bit_for_bit_bfloat16_too(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_files, "_BLOCK", 16)  # several blocks an array
    tensors = {**TENSORS, "bfloat16": np.array([[1.5, np.pi], [-0.0, 3e38]]).astype(ml_dtypes.bfloat16)}
    uri = str(tmp_path / "state") if place == "local" else "objects://tensors/state"
    digest = write_tensors(uri, tensors)

    found = read_tensors(uri, digest)
    assert {name: (values.dtype, values.shape, values.tobytes()) for name, values in found.items()} == {
        name: (values.dtype, values.shape, values.tobytes()) for name, values in tensors.items()
    }


def test_bfloat16_is_what_safetensors_calls_so(tmp_path: Path) -> None:
    values = np.array([1, 2, 3], ml_dtypes.bfloat16)
    write_tensors(str(tmp_path / "state"), {"weights": values})

    [(name, entry)] = safetensors.deserialize((tmp_path / "state").read_bytes())  # type: ignore[no-untyped-call]
    assert (name, entry["dtype"], entry["shape"], bytes(entry["data"])) == ("weights", "BF16", [3], values.tobytes())


@pytest.mark.parametrize("position", [3, 60, -1])  # in the length, in the header, in the data
def test_changed_byte_is_found(position: int) -> None:
    uri = "objects://tensors/changed"
    digest = write_tensors(uri, TENSORS)
    content = bytearray(ObjectStore.objects["tensors/changed"])
    content[position] ^= 0x41
    ObjectStore.objects["tensors/changed"] = bytes(content)

    with pytest.raises(DamagedFileError):
        read_tensors(uri, digest)


def test_cut_off_and_missing_files_are_found(tmp_path: Path) -> None:
    path = tmp_path / "state"
    digest = write_tensors(str(path), TENSORS)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(DamagedFileError, match=f"has {digest.bytes - 1} bytes of {digest.bytes}"):
        read_tensors(str(path), digest)
    with pytest.raises(DamagedFileError):
        read_tensors(str(tmp_path / "none"), FileDigest(4, "0" * 64))
