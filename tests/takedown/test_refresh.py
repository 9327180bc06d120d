"""A refresh with a ledger: what it names is in no dataset that is made."""

from pathlib import Path

import pytest

from tests.conversations.worlds import comment, examples_of, make_comments, make_conversations
from threadmill.conversations.config import ThreadsConfig
from threadmill.conversations.stage import ConversationsStage
from threadmill.conversations.threads import ThreadsStage
from threadmill.datasets.dataset import Dataset
from threadmill.engine.run import run_stage
from threadmill.errors import InputError
from threadmill.takedown.ledger import author_hash

RAW = [
    comment("a", "t3_t", body="the first of the turns", author="Ann"),
    comment("b", "t1_a", body="the second of the turns", author="Bob"),
    comment("c", "t1_b", body="the third of the turns", author="Cid"),
    comment("d", "t1_c", body="the fourth of the turns", author="Dan"),
    comment("e", "t3_t", body="a text that was removed later", author="Eve"),
    comment("e", "t3_t", body="[deleted]", author="[deleted]"),
]


def ledger(folder: Path, *entries: str) -> str:
    (folder / "ledger.csv").write_text("\n".join(["kind,value", *entries]) + "\n")
    return str(folder / "ledger.csv")


def refresh(folder: Path, comments: str, ledger: str) -> Dataset:
    threads, conversations = str(folder / "threads"), str(folder / "conversations")
    run_stage(ThreadsStage((comments,), ThreadsConfig(), "300MB", ledger), threads, workers=1)
    run_stage(ConversationsStage(threads), conversations, workers=1)
    return Dataset.open(conversations)


def test_answers_to_what_is_taken_down_are_orphans_and_older_turns_end_before_it(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, RAW)
    dataset = refresh(tmp_path, comments, ledger(tmp_path, f"author,{author_hash('bob')}"))
    (example,) = [found for split in examples_of(dataset).values() for found in split]
    assert (example["example_id"], example["root_kind"]) == ("d", "orphan")
    assert "context/0" not in example
    threads = Dataset.open(str(tmp_path / "threads")).manifest
    counters = threads.counters
    assert counters.dropped == {"taken_down": 1, "duplicate": 1}
    assert counters.read == counters.kept + 2 == 7
    assert [entry.name for entry in threads.inputs] == ["comments", "takedown"]


def test_one_copy_of_a_comment_can_be_taken_down_by_its_author_and_both_by_their_id(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, RAW)
    by_author = refresh(tmp_path / "1", comments, ledger(tmp_path, f"author,{author_hash('EVE')}"))
    assert Dataset.open(str(tmp_path / "1" / "threads")).manifest.counters.dropped == {"taken_down": 1}
    by_id = refresh(tmp_path / "2", comments, ledger(tmp_path, "id,t1_e", "id,t3_a"))
    assert Dataset.open(str(tmp_path / "2" / "threads")).manifest.counters.dropped == {"taken_down": 2}
    assert examples_of(by_author) == examples_of(by_id)


def test_a_ledger_that_names_nothing_here_changes_no_shard(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, RAW)
    without = make_conversations(tmp_path / "without", [comments], "default")
    with_ledger = refresh(tmp_path / "with", comments, ledger(tmp_path, "id,t3_a"))
    assert with_ledger.manifest.shards == without.manifest.shards


def test_another_ledger_is_another_input(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, RAW)
    (tmp_path / "a").mkdir()
    refresh(tmp_path, comments, ledger(tmp_path / "a", "id,t1_b"))
    dataset = refresh(tmp_path, comments, ledger(tmp_path / "a", "id,t1_c"))
    assert [found["example_id"] for split in examples_of(dataset).values() for found in split] == ["b"]
    with pytest.raises(InputError, match="is no file"):
        refresh(tmp_path, comments, str(tmp_path / "none.csv"))
