import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from threadmill.datasets.digest import canonical_json, config_json, file_digest, json_digest


@dataclass(frozen=True)
class Inner:
    names: tuple[str, ...] = ("a", "b")


@dataclass(frozen=True)
class Config:
    depth: int = 3
    inner: Inner = Inner()


def test_equal_values_have_equal_bytes_whatever_their_order() -> None:
    assert canonical_json({"b": [1, 2], "a": {"d": None, "c": True}}) == b'{"a":{"c":true,"d":null},"b":[1,2]}'
    assert json_digest({"a": 1, "b": 2}) == json_digest({"b": 2, "a": 1})
    assert json_digest([1, 2]) != json_digest([2, 1])


def test_a_file_s_digest_is_its_sha_256(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000  # more than one block
    (tmp_path / "file").write_bytes(content)
    assert file_digest(str(tmp_path / "file")) == hashlib.sha256(content).hexdigest()


def test_a_config_is_a_dataclass_or_a_mapping() -> None:
    assert config_json(Config()) == {"depth": 3, "inner": {"names": ["a", "b"]}}
    assert config_json({"depth": 3}) == {"depth": 3}
    with pytest.raises(TypeError, match="not int"):
        config_json(3)
    with pytest.raises(TypeError, match="not type"):
        config_json(Config)
