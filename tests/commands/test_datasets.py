from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from threadmill.cli import main


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return write_conversations(tmp_path / "talk", {"train": shards_of(made_examples(8), 2)})


class TestVerify:
    def test_says_so_when_all_is_well(self, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", uri]) == 0
        assert capsys.readouterr() == (f"{uri}: every file is as its manifest says\n", "")

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (lambda content: None, "missing"),
            (lambda content: content[:-9], "bytes, the manifest says"),
            (lambda content: content[:-1] + bytes([content[-1] ^ 4]), "its SHA-256 differs from the manifest's"),
        ],
        ids=["missing", "truncated", "altered"],
    )
    def test_names_the_shard_that_differs_with_status_1(
        self, uri: str, capsys: pytest.CaptureFixture[str], content: object, problem: str
    ) -> None:
        path = Path(uri, "train-00001-of-00002.tfrecord")
        changed = content(path.read_bytes())  # type: ignore[operator]
        path.unlink() if changed is None else path.write_bytes(changed)
        assert main(["verify", uri]) == 1
        output, errors = capsys.readouterr()
        (line,) = output.splitlines()
        assert line.startswith("train-00001-of-00002.tfrecord: ")
        assert line.endswith(problem) or problem in line
        assert errors == f"{uri}: 1 file(s) differ from the manifest; run the dataset's stage again\n"

    def test_names_each_of_several(self, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        for shard in Path(uri).glob("train-*"):
            shard.unlink()
        assert main(["verify", uri]) == 1
        assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
            "train-00000-of-00002.tfrecord",
            "train-00001-of-00002.tfrecord",
        ]

    def test_tells_a_tampered_manifest(self, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        path = Path(uri, "manifest.json")
        path.write_text(path.read_text().replace('"stage": "conversations"', '"stage": "threads"'))
        assert main(["verify", uri]) == 2
        output, errors = capsys.readouterr()
        assert output == ""
        assert errors == (
            f"threadmill: error: {path} was changed after it was written (its digest does not fit); "
            "restore it from a copy, or delete it and run its stage again\n"
        )

    def test_tells_what_is_no_dataset(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify", str(tmp_path)]) == 2
        assert "has no manifest.json, so it is no finished dataset" in capsys.readouterr().err
