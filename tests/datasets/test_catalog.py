from pathlib import Path

import pytest

from threadmill.datasets.catalog import dataset_uri, find_datasets
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Manifest, read_manifest, write_manifest
from threadmill.errors import InputError


def write(folder: Path) -> None:
    folder.mkdir(parents=True)
    write_manifest(str(folder), Manifest(folder.name, "stage", 1, {}, (), (), (), Counters()))


def test_datasets_are_found_at_any_depth_and_within_others(tmp_path: Path) -> None:
    for path in ("reddit/2006-01/threads", "reddit/2005-12/threads", "vocabulary"):
        write(tmp_path / path)
    write(tmp_path / "vocabulary" / "inner")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "a_file").touch()
    assert find_datasets(str(tmp_path)) == ["reddit/2005-12/threads", "reddit/2006-01/threads", "vocabulary", "vocabulary/inner"]


def test_a_root_that_is_not_there_or_is_but_a_dataset_itself_holds_none(tmp_path: Path) -> None:
    assert find_datasets(str(tmp_path / "nowhere")) == []
    write(tmp_path / "itself")
    assert find_datasets(str(tmp_path / "itself")) == []


def test_hidden_folders_and_links_that_lead_out_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "outside")
    write(tmp_path / "root" / ".hidden")
    write(tmp_path / "root" / "inside")
    (tmp_path / "root" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "round").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "within").symlink_to(tmp_path / "root" / "inside")
    assert find_datasets(str(tmp_path / "root")) == ["inside", "within"]


def test_a_path_that_was_found_opens(tmp_path: Path) -> None:
    write(tmp_path / "month 1" / "threads")
    (path,) = find_datasets(str(tmp_path))
    assert read_manifest(dataset_uri(str(tmp_path), path)).name == "threads"


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "../outside", "inside/../../outside", "/inside", "inside/", "//inside", "out", ".hidden", "in\0side", "a\\b"],
)
def test_any_other_path_is_refused(tmp_path: Path, path: str) -> None:
    write(tmp_path / "outside")
    for name in ("inside", ".hidden", "a\\b"):
        write(tmp_path / "root" / name)
    (tmp_path / "root" / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="no dataset"):
        dataset_uri(str(tmp_path / "root"), path)
