import hashlib
from pathlib import Path

import pytest

from tests.conversations.worlds import comment, make_comments, make_conversations
from threadmill.cli import main
from threadmill.datasets.dataset import Dataset, verify
from threadmill.takedown.ledger import Ledger

RAW = [
    comment(name, parent, author=author)
    for name, parent, author in [("a", "t3_t", "Ann"), ("b", "t1_a", "Bob"), ("c", "t1_b", "Cid")]
]


def test_a_ledger_is_made_and_added_to_without_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ledger.csv"
    assert main(["ledger", str(path), "--id", "t1_a", "--author", "u/SomeName"]) == 0
    assert main(["ledger", str(path), "--id", "b", "--id", "t1_a"]) == 0
    digest = Ledger.load(str(path)).digest
    assert capsys.readouterr().out.splitlines()[-1] == f"{path}: 2 ids, 1 authors, digest {digest}"
    assert path.read_text().splitlines() == [
        "kind,value",
        "id,t1_a",
        "id,t1_b",
        f"author,{hashlib.sha256(b'somename').hexdigest()}",
    ]
    assert main(["ledger", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 2 ids, 1 authors, digest {digest}\n"


@pytest.mark.parametrize("name", ["", " ", "u/"])
def test_a_ledger_takes_no_author_without_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["ledger", str(tmp_path / "ledger.csv"), "--author", name]) == 2
    assert capsys.readouterr().err == "threadmill: error: --author is empty; give the name of an account\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.csv"], "is no file"),
        (["ledger.jsonl", "--id", "a"], "is no .csv file"),
        (["ledger.csv", "--id", "t2_a"], "the command line, opt-out 1: 't2_a' is no id"),
    ],
)
def test_a_wrong_entry_is_one_line_and_makes_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["ledger", str(tmp_path / arguments[0]), *arguments[1:]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not list(tmp_path.iterdir())


def test_a_root_is_searched_and_what_changes_is_told_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, ledger = tmp_path / "root", str(tmp_path / "ledger.csv")
    conversations = make_conversations(root, [make_comments(root, RAW)], "default").uri
    assert (
        main(["--quiet", "deduplicate", conversations, "--signatures", f"{root}/s", "--output", f"{root}/d", "--workers", "1"])
        == 0
    )
    main(["ledger", ledger, "--author", "bob"])
    capsys.readouterr()
    command = ["takedown", ledger, str(root), "--workers", "1"]
    assert main([*command, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert f"{root}/conversations: 2 taken down; 1 of 3 shards to write\n" in told
    assert main(command) == 0
    assert (
        capsys.readouterr().out
        == told.replace("to write", "written") + f"{root}/s: made from the release before; run its stage again\n"
    )
    for name in ("comments", "threads", "conversations", "d"):
        dataset = Dataset.open(f"{root}/{name}")
        assert dataset.manifest.counters.dropped["taken_down"] == dataset.manifest.statistics["takedowns"][0]["dropped"]
        assert verify(dataset.uri) == []
    assert main(command) == 0
    assert capsys.readouterr().out.count("nothing to do") == 4
