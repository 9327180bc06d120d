"""Which files of a folder are sources."""

import os
from pathlib import Path

import pytest

from threadmill.corpora.source_files import folder_files, refuse_irregular
from threadmill.errors import InputError


def test_files_are_found_below_and_hidden_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.txt", "below/c.txt", ".hidden", "_SUCCESS"):
        (tmp_path / name).write_text("a\n")
    assert [name for name, _ in folder_files(str(tmp_path))] == ["b.txt", "below/c.txt"]


def test_a_link_back_up_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    with pytest.raises(InputError, match="a/up is a link to a folder that it lies in"):
        list(folder_files(str(tmp_path)))


def test_a_link_to_nothing_is_told_with_its_target(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("/not/there")
    with pytest.raises(InputError, match="gone is a link to /not/there, which is not there"):
        list(folder_files(str(tmp_path)))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is not a regular file"):
        refuse_irregular(str(tmp_path / "pipe"))


@pytest.mark.parametrize("mark", [".lock", ".receipts"])
def test_the_output_of_a_run_that_has_not_ended_is_no_source(tmp_path: Path, mark: str) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "train-00000-of-00001.txt").write_text("a\n")
    (folder / mark).touch()
    for uri in (folder, tmp_path):
        with pytest.raises(InputError, match=r"corpus is the output of a run that has not ended \(" + mark):
            list(folder_files(str(uri)))
