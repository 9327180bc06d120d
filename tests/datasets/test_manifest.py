import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import (
    MANIFEST_NAME,
    Field,
    FileEntry,
    InputEntry,
    Manifest,
    find_manifest,
    read_manifest,
    write_manifest,
)
from threadmill.errors import InputError, IntegrityError

MANIFEST = Manifest(
    name="talk",
    stage="conversations",
    version=3,
    config={"parent_depth": 10, "format": "tfrecord"},
    inputs=(InputEntry("threads", "ab" * 32, "/data/threads"),),
    schema=(Field("context", "bytes"), Field("response", "bytes")),
    shards=(FileEntry("train-00000-of-00001.tfrecord", 2, 100, "cd" * 32),),
    counters=Counters(5, 2, 2, {"orphan": 3}, {"examples": 2}),
    dead_letters=(FileEntry("dead_letters-00000-of-00001.jsonl", 1, 40, "ef" * 32),),
    statistics={"months": {"2006-01": 5}},
    created_at="2026-01-02T03:04:05+00:00",
)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    write_manifest(str(tmp_path), MANIFEST)
    return str(tmp_path)


def change(uri: str, **changed: Any) -> None:
    path = Path(uri) / MANIFEST_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_a_manifest_is_read_back_as_it_was(uri: str) -> None:
    assert read_manifest(uri) == MANIFEST


def test_the_file_holds_what_the_contract_says(uri: str) -> None:
    value = json.loads((Path(uri) / MANIFEST_NAME).read_text())
    assert value["counters"] == {"read": 5, "kept": 2, "dropped": {"orphan": 3}, "written": 2, "examples": 2}
    assert value["config_digest"] == MANIFEST.config_digest
    assert value["digest"] == MANIFEST.digest
    assert value["shards"] == [{"name": "train-00000-of-00001.tfrecord", "records": 2, "bytes": 100, "sha256": "cd" * 32}]
    assert value["created_at"] == "2026-01-02T03:04:05+00:00"


def test_the_digest_leaves_out_when_and_from_where(uri: str) -> None:
    elsewhere = tuple(replace(entry, uri="gs://bucket/threads") for entry in MANIFEST.inputs)
    assert replace(MANIFEST, created_at="later", inputs=elsewhere).digest == MANIFEST.digest


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "other"},
        {"stage": "threads"},
        {"version": 4},
        {"config": {"parent_depth": 9, "format": "tfrecord"}},
        {"inputs": (InputEntry("threads", "00" * 32, "/data/threads"),)},
        {"schema": MANIFEST.schema[:1]},
        {"shards": (replace(MANIFEST.shards[0], sha256="00" * 32),)},
        {"dead_letters": ()},
        {"counters": Counters(5, 5, 2)},
        {"statistics": {}},
        {"partial": True},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_digest_covers_all_else(changed: dict[str, Any]) -> None:
    assert replace(MANIFEST, **changed).digest != MANIFEST.digest


@pytest.mark.parametrize(
    "changed",
    [
        {"stage": "threads"},
        {"shards": []},
        {"counters": {"read": 5, "kept": 3, "dropped": {"orphan": 2}, "written": 2, "examples": 2}},
        {"partial": True},
        {"digest": "00" * 32},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_manifest_that_was_changed_is_told(uri: str, changed: dict[str, Any]) -> None:
    change(uri, **changed)
    with pytest.raises(IntegrityError, match="was changed after it was written"):
        read_manifest(uri)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b'"manifest"', b'{"name": "x"}', b"\xff\xfe"],
    ids=["empty", "cut", "a list", "a number", "text", "another object", "not UTF-8"],
)
def test_a_file_that_is_no_manifest_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(IntegrityError, match="is not a manifest") as raised:
        read_manifest(str(tmp_path))
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["digest", "name", "shards", "counters", "created_at", "partial"])
def test_a_manifest_without_one_of_its_parts_is_told(uri: str, key: str) -> None:
    path = Path(uri) / MANIFEST_NAME
    value = json.loads(path.read_text())
    del value[key]
    path.write_text(json.dumps(value))
    with pytest.raises(IntegrityError, match="is not a manifest"):
        read_manifest(uri)


@pytest.mark.parametrize(
    "changed",
    [{"shards": 3}, {"shards": [{"name": "x"}]}, {"counters": []}, {"counters": None}, {"config": "abc"}, {"statistics": 5}],
    ids=str,
)
def test_parts_of_the_wrong_shape_are_told(uri: str, changed: dict[str, Any]) -> None:
    change(uri, **changed)
    with pytest.raises(IntegrityError, match="is not a manifest"):
        read_manifest(uri)


def test_no_manifest_no_dataset(tmp_path: Path) -> None:
    assert find_manifest(str(tmp_path)) is None
    with pytest.raises(InputError, match=r"has no manifest\.json, so it is no finished dataset; run the stage"):
        read_manifest(str(tmp_path))
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_manifest(str(tmp_path / "nowhere"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="no finished dataset"):
        read_manifest(str(tmp_path / "file"))
