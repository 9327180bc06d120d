from pathlib import Path

import pytest

from tests.corpora.file_server import FileServer
from tests.corpora.text.test_stage import documents, write
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.sources import find_sources
from threadmill.corpora.text.stage import CorpusStage
from threadmill.engine.run import run_stage
from threadmill.errors import InputError
from threadmill.settings import get_settings


def test_a_file_on_the_web_is_downloaded_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_CACHE", str(tmp_path / "cache"))
    get_settings.cache_clear()
    with FileServer(b"one\ntwo\n\nthree\n").running("text.txt") as server:
        manifest = run_stage(CorpusStage([server.address], CorpusConfig(validation_split=0.0)), str(tmp_path / "corpus"))
    get_settings.cache_clear()
    assert documents(tmp_path / "corpus") == [["one", "two"], ["three"]]
    assert [entry.name for entry in manifest.inputs] == ["text.txt"]


def test_names_are_of_the_files_and_tell_them_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "below").mkdir(parents=True)
        write(tmp_path / folder / "below" / "text.txt", "a line\n")
    write(tmp_path / "a" / "other.txt", "a line\n")
    sources = find_sources([str(tmp_path / "a"), str(tmp_path / "b")], "auto")
    assert [source.name for source in sources] == ["0-below/text.txt", "other.txt", "2-below/text.txt"]


def test_a_folder_of_datasets_is_not_taken_for_text(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    write(tmp_path / "text.txt", "a line\n")
    run_stage(CorpusStage([str(tmp_path / "text.txt")], CorpusConfig(validation_split=0.0)), str(tmp_path / "run" / "corpus"))
    with pytest.raises(InputError, match="run/corpus is a dataset of Threadmill's"):
        find_sources([str(tmp_path / "run")], "auto")
