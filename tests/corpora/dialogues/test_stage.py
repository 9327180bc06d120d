import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from tests.corpora.dialogues.reading import Examples, examples_of, read_dialogues, turns_of, write_files
from tests.corpora.file_server import FileServer
from tests.engine.test_killed_runs import wait_until
from threadmill.conversations.config import FORMATS
from threadmill.corpora.dialogues.config import DialoguesConfig
from threadmill.corpora.dialogues.stage import DialoguesStage
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import find_manifest, read_manifest
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError, IntegrityError
from threadmill.settings import get_settings


def episodes(count: int, first: int = 0) -> str:
    """Episodes of two exchanges, in ParlAI's text format."""
    return "".join(
        f"text:question {number}\tlabels:answer {number}\ntext:more {number}?\tlabels:yes {number}\tepisode_done:True\n"
        for number in range(first, first + count)
    )


def all_turns(examples: Examples) -> Counter[tuple[str, ...]]:
    return Counter(tuple(turns_of(example)) for split in examples.values() for example in split)


def test_files_of_splits_become_shards_of_these(tmp_path: Path) -> None:
    found = read_dialogues(tmp_path, {"x_train.txt": episodes(3), "x_valid.txt": episodes(1, 10), "x_test.txt": episodes(1, 20)})
    assert {split: [turns_of(example) for example in examples] for split, examples in found.items()} == {
        split: [
            turns
            for number in numbers
            for turns in (
                [f"question {number}", f"answer {number}"],
                [f"question {number}", f"answer {number}", f"more {number}?", f"yes {number}"],
            )
        ]
        for split, numbers in {"train": range(3), "validation": [10], "test": [20]}.items()
    }
    assert verify(str(tmp_path / "made")) == []


def test_a_set_of_one_file_is_split_by_dialogues_wherever_they_lie(tmp_path: Path) -> None:
    files: list[dict[str, bytes | str]] = [
        {"dialogues.txt": episodes(400)},
        {"b.txt": episodes(200, 200), "a.txt": episodes(200)},
    ]
    found, again = (
        read_dialogues(tmp_path / str(number), these, validation_split=0.2, test_split=0.1) for number, these in enumerate(files)
    )
    assert {split: set(map(tuple, map(turns_of, examples))) for split, examples in found.items()} == {
        split: set(map(tuple, map(turns_of, examples))) for split, examples in again.items()
    }
    assert list(found) == ["train", "validation", "test"]
    counts = {split: len(examples) for split, examples in found.items()}
    assert sum(counts.values()) == 800
    assert 100 < counts["validation"] < 220
    assert 40 < counts["test"] < 130
    threads = [{example["thread_id"] for example in examples} for examples in found.values()]
    assert sum(map(len, threads)) == len(set.union(*threads)) == 400


def test_the_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    files = write_files(tmp_path, {"a.txt": episodes(60), "b.txt.gz": gzip.compress(episodes(60, 60).encode())})
    stage = DialoguesStage(files, DialoguesConfig(), part_bytes=1000)
    one = run_stage(stage, str(tmp_path / "one"), name="x", workers=1)
    two = run_stage(stage, str(tmp_path / "two"), name="x", workers=2)
    assert len(one.shards) > 8
    assert one.digest == two.digest
    whole = run_stage(DialoguesStage(files), str(tmp_path / "whole"), workers=1)
    config = DialoguesConfig()
    assert all_turns(examples_of(one, tmp_path / "one", config)) == all_turns(examples_of(whole, tmp_path / "whole", config))
    assert whole.counters == one.counters


def test_all_that_was_read_is_accounted_for(tmp_path: Path) -> None:
    content = episodes(48) + "text:a\nlost\ntext:b\tlabels:c|d\tlabel_candidates:e\treward:1\ntext:__SILENCE__\tlabels:hi\n"
    read_dialogues(tmp_path, {"x.txt": content.replace("\ntext:__S", "\tepisode_done:True\ntext:__S")})
    manifest = read_manifest(str(tmp_path / "made"))
    assert manifest.counters.to_json() == {
        "read": 100,
        "kept": 97,
        "dropped": {"no text": 1, "no_context": 1, "no_response": 1},
        "written": 97,
        "bad_lines": 1,
        "label_candidates": 1,
        "other_labels": 1,
        "rewards": 1,
    }
    (letters,) = manifest.dead_letters
    assert json.loads((tmp_path / "made" / letters.name).read_text()) == {
        "file": "x.txt",
        "line": 98,
        "reason": "no text",
        "detail": "the line has no field text:",
        "text": "lost",
    }
    assert manifest.statistics["bad_lines"] == {"reasons": {"no text": 1}, "first": ["x.txt line 98 (no text)"]}


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_holds_the_same_examples(tmp_path: Path, format: str) -> None:
    files: dict[str, bytes | str] = {"a_train.txt": episodes(5), "a_valid.txt": episodes(1, 9)}
    found = read_dialogues(tmp_path / format, files, format=format)
    assert found == read_dialogues(tmp_path / "reference", files)


@pytest.mark.parametrize("format", ["tfrecord", "jsonl"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_dataset_whose_manifest_is_gone_is_read_back(tmp_path: Path, format: str, compress: type) -> None:
    made = made_examples(20)
    folder = Path(write_conversations(tmp_path / "made", {"train": shards_of(made, 2), "validation": [made[:3]]}, format))
    (folder / "manifest.json").unlink()
    files = {path.name + ".gz" * (compress is not bytes): compress(path.read_bytes()) for path in folder.iterdir()}
    found = read_dialogues(tmp_path / "again", files)
    assert all_turns(found) == Counter(tuple(turns) for _, turns in [*made, *made[:3]])
    assert len(found["validation"]) == 3
    assert {example["thread_id"] for example in found["train"]} == {thread for thread, _ in made}


def test_a_file_on_the_web_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_CACHE", str(tmp_path / "cache"))
    get_settings.cache_clear()
    with FileServer(episodes(3).encode()).running("x_test.txt") as server:
        manifest = run_stage(DialoguesStage([server.address + "?key=secret"]), str(tmp_path / "made"), workers=1)
    assert manifest.statistics["examples"] == {"test": 6}
    assert [(entry.name, entry.uri) for entry in manifest.inputs] == [("x_test.txt", server.address)]


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"x.txt": episodes(3) + "bad\n"}, InputError, r"1 of 7 messages \(14.29%\) cannot be parsed.*no text: 1"),
        ({"x.txt": "text:a\ntext:b\n"}, InputError, "none of the 2 messages gives an example"),
        ({"x.json": '{"text": "a", "label": "b"}\n'}, InputError, "none of the 1 messages gives an example"),
        ({"x.txt.gz": gzip.compress(episodes(3).encode())[:-9]}, InputError, "truncated"),
    ],
)
def test_what_gives_no_dialogues_is_told(
    tmp_path: Path, files: dict[str, bytes | str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read_dialogues(tmp_path, files)
    assert find_manifest(str(tmp_path / "made")) is None


def test_a_damaged_record_is_told_with_its_file(tmp_path: Path) -> None:
    folder = Path(write_conversations(tmp_path / "made", {"train": [made_examples(4)]}))
    content = bytearray((folder / "train-00000-of-00001.tfrecord").read_bytes())
    content[len(content) // 2] ^= 1
    with pytest.raises(IntegrityError, match=r"x\.tfrecord, counted from its record 1: record \d+ at byte \d+ is damaged"):
        read_dialogues(tmp_path / "again", {"x.tfrecord": bytes(content)})


def test_splits_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(ConfigError, match="leave nothing to train on"):
        DialoguesConfig(validation_split=0.5, test_split=0.5)


RUN = """
import sys
from threadmill.corpora.dialogues.config import DialoguesConfig
from threadmill.corpora.dialogues.stage import DialoguesStage
from threadmill.engine.run import run_stage
run_stage(DialoguesStage([sys.argv[1]], DialoguesConfig(), part_bytes=20_000), sys.argv[2], name="made", workers=2)
"""


def test_a_killed_run_is_finished_by_the_next(tmp_path: Path) -> None:
    (path,) = write_files(tmp_path, {"x.txt": episodes(10_000)})
    folder = tmp_path / "made"
    process = subprocess.Popen([sys.executable, "-c", RUN, path, str(folder)], start_new_session=True, stderr=subprocess.DEVNULL)
    with process:
        wait_until(lambda: process.poll() is not None or len(list(folder.glob(".receipts/part-*"))) > 3, "four parts")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert find_manifest(str(folder)) is None
    done = len(list(folder.glob(".receipts/part-*")))
    assert 3 < done < 45
    times = {file.name: file.stat().st_mtime_ns for file in folder.glob("train-*")}
    stage = DialoguesStage([path], DialoguesConfig(), part_bytes=20_000)
    resumed = run_stage(stage, str(folder), name="made", workers=1)
    assert sum(times.get(file.name) == file.stat().st_mtime_ns for file in folder.glob("train-*")) >= done
    undisturbed = run_stage(stage, str(tmp_path / "undisturbed"), name="made", workers=1)
    assert resumed.digest == undisturbed.digest
    assert verify(str(folder)) == []
