"""Conversations as documents."""

from pathlib import Path

import pyarrow as pa

from threadmill.datasets.counters import Counters
from threadmill.datasets.tfrecord import encode_examples
from threadmill.documents.conversations import read_conversations, turn_columns

COLUMNS = ("context/0", "context", "response")


def documents_of(path: Path, counters: Counters, *, keep_prefixes: bool = False) -> list[tuple[int, list[str]]]:
    """Group and turns of each document."""
    found = []
    for block in read_conversations(str(path), COLUMNS, keep_prefixes=keep_prefixes, counters=counters):
        assert len(set(block.lines.to_pylist())) == len(block.lines)
        starts = [0, *block.ends.tolist()]
        for number, group in enumerate(block.groups.tolist()):
            found.append((group, [block.lines[line].as_py() for line in block.sentences[starts[number] : starts[number + 1]]]))
    return found


def write(path: Path, examples: list[tuple[str, str | None, str, str]]) -> Path:
    threads, earlier, contexts, responses = zip(*examples, strict=True)
    columns = {"thread_id": threads, "context/0": earlier, "context": contexts, "response": responses}
    path.write_bytes(encode_examples(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})))
    return path


def test_an_example_is_a_document_oldest_turn_first_beside_those_of_its_thread(tmp_path: Path) -> None:
    path = write(
        tmp_path / "train-00000-of-00001.tfrecord",
        [
            ("x", None, "Hi", "Ho"),
            ("y", None, "One", "Two"),
            ("x", "Hi", "Ho", "Ha"),
            ("x", None, "Hi", "Hm"),
            ("z", None, " ", ""),
        ],
    )
    counters = Counters()
    assert documents_of(path, counters) == [(0, ["Hi", "Ho", "Ha"]), (0, ["Hi", "Hm"]), (1, ["One", "Two"])]
    assert counters.to_json() == {"read": 5, "kept": 3, "dropped": {"empty": 1, "prefix_of_longer": 1}, "written": 0}


def test_prefixes_are_kept_where_every_response_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "train-00000-of-00001.tfrecord", [("x", None, "Hi", "Ho"), ("x", "Hi", "Ho", "Ha")])
    assert documents_of(path, Counters(), keep_prefixes=True) == [(0, ["Hi", "Ho"]), (0, ["Hi", "Ho", "Ha"])]


def test_an_example_without_a_response_does_not_make_one_of_the_turn_before(tmp_path: Path) -> None:
    path = write(tmp_path / "train-00000-of-00001.tfrecord", [("x", None, "Hi", "Ho"), ("x", "Hi", "Ho", " ")])
    counters = Counters()
    assert documents_of(path, counters, keep_prefixes=True) == [(0, ["Hi", "Ho"])]
    assert counters.to_json() == {"read": 2, "kept": 1, "dropped": {"no_response": 1}, "written": 0}


def test_turns_are_ordered_by_their_number() -> None:
    names = ["response", "context", "context/0", "context/10", "context/2", "thread_id", "context_author"]
    assert turn_columns(names) == ["context/10", "context/2", "context/0", "context", "response"]
