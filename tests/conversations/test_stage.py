import json
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conversations.worlds import Raw, comment, examples_of, make_comments, make_conversations
from threadmill.conversations.config import ConversationsConfig, ThreadsConfig, find_preset
from threadmill.conversations.stage import ConversationsStage
from threadmill.conversations.threads import ThreadsStage
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.sample import write_sample
from threadmill.datasets.dataset import Dataset, split_of, verify
from threadmill.engine.run import run_stage
from threadmill.errors import InputError

FEBRUARY = 1_138_752_000


def conversation(threads: int, comments: int = 6) -> list[Raw]:
    """Threads in each of which a comment answers the one before."""
    return [
        comment(
            f"c{number}", f"t1_c{number - 1}" if number else f"t3_t{thread}", f"t{thread}", f"turn {number} of thread {thread}"
        )
        for thread in range(threads)
        for number in range(comments)
    ]


def test_the_shards_are_those_of_the_threads_and_hold_their_examples(tmp_path: Path) -> None:
    dataset = make_conversations(tmp_path, [make_comments(tmp_path, conversation(100))], "default", num_shards_test=3)
    names = [shard.name for shard in dataset.manifest.shards]
    assert names == ["train-00000-of-00001.tfrecord", "validation-00000-of-00001.tfrecord"] + [
        f"test-{index:05d}-of-00003.tfrecord" for index in range(3)
    ]
    examples = examples_of(dataset)
    assert sum(map(len, examples.values())) == 500
    assert dataset.manifest.statistics["examples"] == {split: len(found) for split, found in examples.items()}
    assert {example["thread_id"] for example in examples["test"]}.isdisjoint(
        example["thread_id"] for example in examples["train"]
    )
    assert dataset.manifest.counters.to_json() == {"read": 601, "kept": 500, "dropped": {"top_level": 101}, "written": 500}
    assert [field.name for field in dataset.manifest.schema] == sorted(
        ["context", "response", "context_author", "response_author", "subreddit", "thread_id", "example_id", "root_kind"]
        + ["context_authors", "context_ids", "created_utc"]
        + [f"context/{index}" for index in range(9)]
    )
    assert verify(dataset.uri) == []


def test_both_formats_hold_equal_examples_in_equal_order(tmp_path: Path) -> None:
    comments = [make_comments(tmp_path, conversation(50))]
    found = {
        format: examples_of(make_conversations(tmp_path / format, comments, "default", format=format))
        for format in ("jsonl", "tfrecord")
    }
    assert found["jsonl"] == found["tfrecord"]


def test_turns_of_a_thread_do_not_lie_side_by_side(tmp_path: Path) -> None:
    dataset = make_conversations(tmp_path, [make_comments(tmp_path, conversation(100))], "default")
    threads = [example["thread_id"] for example in examples_of(dataset)["train"]]
    beside = sum(first == second for first, second in pairwise(threads))
    assert beside < 20  # of 450; in order it were 360


def test_bytes_are_equal_for_any_number_of_workers(tmp_path: Path) -> None:
    sources = tuple(str(path) for path in write_sample(str(tmp_path / "sample"), comments=3000, months=3))
    rule = tmp_path / "my_rules.py"  # which workers find too
    rule.write_text("def asks(comments):\n    return comments['body'].str.ends_with('?')\n")
    settings = {"num_shards_train": 3, "rules": f"{rule}:asks"}
    files = []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        comments = run_stage(IngestStage(sources), str(folder / "comments"), workers=workers)
        conversations = make_conversations(folder, [str(folder / "comments")], "default", workers=workers, **settings)
        assert conversations.manifest.counters.dropped["response_asks"] > 10
        threads = Dataset.open(str(folder / "threads")).manifest
        files.append([*comments.shards, *threads.shards, *conversations.manifest.shards])
    assert len(files[0]) == 3 + 5 + 5
    assert files[0] == files[1]


def test_a_months_run_has_the_months_responses_with_older_turns_as_context(tmp_path: Path) -> None:
    raw = [{**value, "created_utc": FEBRUARY - 3 + int(value["id"][1:])} for value in conversation(30)]
    old = make_comments(tmp_path / "old", [value for value in raw if value["created_utc"] < FEBRUARY])
    new = make_comments(tmp_path / "new", [value for value in raw if value["created_utc"] >= FEBRUARY])
    dataset = make_conversations(tmp_path / "month", [old, new], "default", month="2006-02", format="jsonl")
    monthly = [example for found in examples_of(dataset).values() for example in found]
    assert Counter(example["example_id"] for example in monthly) == {"c3": 30, "c4": 30, "c5": 30}
    assert all("context/1" in example for example in monthly)
    assert dataset.manifest.counters.dropped["context_only"] == 90 + 1  # and the old dataset's own comment

    together = examples_of(make_conversations(tmp_path / "all", [old, new], "default", format="jsonl"))
    for split, found in examples_of(dataset).items():
        rest = [example for example in together[split] if example["example_id"] in ("c3", "c4", "c5")]
        assert sorted(found, key=json.dumps) == sorted(rest, key=json.dumps)


def test_comments_without_an_example_are_an_error_that_says_why(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, [comment("a", "t3_t"), comment("b", "t1_gone"), comment("c", "t1_gone")])
    with pytest.raises(
        InputError, match=r"its 4 comments give no example \((top_level 2, orphan 2|orphan 2, top_level 2)\)"
    ) as caught:
        make_conversations(tmp_path, [comments], "default")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "conversations" / "manifest.json").exists()


def test_what_is_no_threads_dataset_is_refused(tmp_path: Path) -> None:
    comments = make_comments(tmp_path, [comment("a", "t3_t")])
    with pytest.raises(InputError, match="is a dataset of stage ingest; name a threads dataset"):
        run_stage(ConversationsStage(comments, ConversationsConfig()), str(tmp_path / "conversations"))


def test_hot_threads_and_deep_chains_end_alike_for_any_number_of_threads(tmp_path: Path) -> None:
    """A thread of 200,000 comments, a chain of 10,000, and small threads around them: more than a batch of the warehouse."""
    hot, deep, small = 200_000, 10_000, 5_000
    line = '{{"id":"{0}","parent_id":"{1}","link_id":"t3_{2}","body":"comment {0} of {2}","author":"a","created_utc":{3}}}\n'
    parts = [line.format(f"h{n}", f"t1_h{n * 7 // 11}" if n else "t3_hot", "hot", 1_136_073_600 + n) for n in range(hot)]
    parts += [line.format(f"d{n}", f"t1_d{n - 1}" if n else "t3_deep", "deep", 1_136_073_600) for n in range(deep)]
    parts += [
        line.format(f"s{n}", f"t1_s{n - 1}" if n % 4 else f"t3_s{n // 4}", f"s{n // 4}", 1_136_073_600) for n in range(small)
    ]
    (tmp_path / "RC_2006-01.ndjson").write_text("".join(parts))
    started = time.process_time()
    comments, total = str(tmp_path / "comments"), hot + deep + small
    run_stage(IngestStage((str(tmp_path / "RC_2006-01.ndjson"),)), comments, workers=1)
    everything = ThreadsConfig(train_split=1, validation_split=0, test_split=0)
    threads = [
        run_stage(ThreadsStage((comments,), everything, "1GB"), str(tmp_path / f"threads{workers}"), workers=workers)
        for workers in (1, 2, 3)
    ]
    assert threads[0].shards == threads[1].shards == threads[2].shards
    stage = ConversationsStage(str(tmp_path / "threads1"), find_preset("default").conversations)
    manifest = run_stage(stage, str(tmp_path / "conversations"), workers=1)
    assert time.process_time() - started < 30
    roots = 2 + small // 4
    assert manifest.counters.to_json() == {
        "read": total,
        "kept": total - roots,
        "dropped": {"top_level": roots},
        "written": total - roots,
    }
    (shard,) = Dataset.open(str(tmp_path / "conversations")).shards()
    assert (split_of(shard), shard.records) == ("train", total - roots)
