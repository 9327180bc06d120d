import resource
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from tests.conversations.worlds import Raw, comment, thread_frame, worlds
from threadmill.conversations.config import ConversationsConfig, find_preset
from threadmill.conversations.examples import COLUMNS, feature_names, make_examples
from threadmill.corpora.reddit.comments import TOMBSTONES
from threadmill.datasets.counters import Counters

DEFAULT = replace(find_preset("default").conversations, drop_echoes=False)  # many bodies are alike here
POLYAI = find_preset("polyai").conversations
BODY = "a body of some length"


def chain(*bodies: str, first: str = "t3_t") -> list[Raw]:
    """A thread in which each comment answers the one before."""
    return [comment(f"c{index}", f"t1_c{index - 1}" if index else first, body=body) for index, body in enumerate(bodies)]


def made(raw: list[Raw], config: ConversationsConfig = DEFAULT) -> tuple[list[dict[str, str]], Counters]:
    frame, counters = make_examples(thread_frame(raw), config)
    assert tuple(frame.columns) == feature_names(config)
    counters.check("the test")
    assert counters.kept == counters.written == frame.height
    assert counters.read == len(raw)
    return [{name: text for name, text in row.items() if text is not None} for row in frame.iter_rows(named=True)], counters


def last_turns(bodies: list[str], config: ConversationsConfig = DEFAULT) -> list[str]:
    """The turns of the last comment's example, the newest first."""
    examples, _ = made(chain(*bodies), config)
    (example,) = (example for example in examples if example["example_id"] == f"c{len(bodies) - 1}")
    names = ["response", "context", *config.extra_contexts]
    assert [name in example for name in names] == sorted((name in example for name in names), reverse=True)  # no gap
    return [example[name] for name in names if name in example]


def test_an_example_names_its_turns_authors_and_place() -> None:
    raw = [
        comment("a", "t3_t", body="the first turn", author="ann", subreddit="news"),
        comment("b", "t1_a", body="the second turn", author="bob", subreddit="news"),
        comment("c", "t1_b", body="the third turn", author="cyd", subreddit="news", created_utc=1_136_073_777),
    ]
    examples, counters = made(raw)
    assert examples[1] == {
        "context/0": "the first turn",
        "context": "the second turn",
        "response": "the third turn",
        "context_author": "bob",
        "context_authors": "bob ann",
        "context_ids": "b a",
        "created_utc": "1136073777",
        "response_author": "cyd",
        "subreddit": "news",
        "thread_id": "t",
        "example_id": "c",
        "root_kind": "top_level",
    }
    assert counters.to_json() == {"read": 3, "kept": 2, "dropped": {"top_level": 1}, "written": 2}


@pytest.mark.parametrize("parent_depth", [1, 2, 10, 100])
def test_a_turn_has_at_most_parent_depth_turns_before_it(parent_depth: int) -> None:
    bodies = [f"this is turn {index}" for index in range(30)]
    config = replace(DEFAULT, parent_depth=parent_depth)
    assert last_turns(bodies, config) == bodies[::-1][: parent_depth + 1]


def test_older_turns_end_before_a_tombstone() -> None:
    for tombstone in TOMBSTONES:
        turns = ["the first turn", tombstone, "the third turn", "the fourth turn", "the fifth turn"]
        assert last_turns(turns) == turns[:1:-1]
    assert last_turns([*turns[:1], "[deleted]", *turns[2:]], POLYAI) == [*turns[:1:-1], "[deleted]", turns[0]]


def test_no_example_answers_or_is_a_tombstone() -> None:
    for tombstone in TOMBSTONES:
        examples, counters = made(chain("the first turn", tombstone, "the third turn"))
        assert examples == []
        assert counters.dropped == {"top_level": 1, "response_tombstone": 1, "context_tombstone": 1}


def test_the_reference_knows_two_tombstones() -> None:
    answers = {tombstone: made(chain("the first turn", tombstone), POLYAI)[1].kept for tombstone in TOMBSTONES}
    assert answers == {tombstone: int(tombstone not in ("[deleted]", "[removed]")) for tombstone in TOMBSTONES}
    assert len(answers) >= 4


def test_orphans_are_told_from_top_level_comments() -> None:
    raw = [
        comment("a", "t3_t"),
        comment("b", "t1_a"),
        comment("c", "t1_gone"),
        comment("d", "t1_c"),
        comment("e", "t1_d"),
    ]
    examples, counters = made(raw)
    assert {example["example_id"]: example["root_kind"] for example in examples} == {
        "b": "top_level",
        "d": "orphan",
        "e": "orphan",
    }
    assert counters.dropped == {"top_level": 1, "orphan": 1}


def test_a_submissions_id_is_not_taken_for_a_comments() -> None:
    raw = [
        comment("x", "t3_x", "x"),
        comment("y", "t3_x", "x", body="top level, though its parent has a comment's id"),
        comment("z", "t1_x", "x", body="an answer to the comment"),
    ]
    examples, counters = made(raw)
    assert [example["example_id"] for example in examples] == ["z"]
    assert counters.dropped == {"top_level": 2}
    assert made(raw, POLYAI)[1].dropped == {"cycle": 3}


@pytest.mark.parametrize(
    "parents",
    [["k0"], ["k1", "k0"], ["k2", "k0", "k1"], ["k1", "k0", "k1", "k2"], ["k0", "k0", "k1", "k2"]],
    ids=["self", "of two", "of three", "with a tail", "self with a tail"],
)
def test_comments_in_a_cycle_or_behind_one_are_dropped_and_counted(parents: list[str]) -> None:
    cycle = [comment(f"k{index}", f"t1_{parent}") for index, parent in enumerate(parents)]
    examples, counters = made([*chain(BODY, BODY), *cycle])
    assert [example["example_id"] for example in examples] == ["c1"]
    assert counters.dropped == {"top_level": 1, "cycle": len(parents)}


@pytest.mark.parametrize(
    ("length", "reason"), [(0, "short"), (8, "short"), (9, ""), (126, ""), (127, ""), (128, "long"), (5000, "long")]
)
def test_responses_and_contexts_have_a_length(length: int, reason: str) -> None:
    body = ("é" * 8 + " ") * 1000
    long_response, long_context = made(chain(BODY, body[:length])), made(chain(body[:length], BODY))
    assert long_response[1].dropped == {"top_level": 1} | ({f"response_too_{reason}": 1} if reason else {})
    assert long_context[1].dropped == {"top_level": 1} | ({f"context_too_{reason}": 1} if reason else {})
    if not reason:
        assert long_response[0][0]["response"] == long_context[0][0]["context"] == body[:length]


def test_older_turns_are_trimmed_at_the_edge_of_a_word() -> None:
    long = "word " * 25 + "unfinished"
    assert last_turns([long, BODY, BODY])[2] == "word " * 25
    assert last_turns(["x" * 200, BODY, BODY])[2] == "x" * 127
    assert last_turns(["x" * 200, BODY, BODY], POLYAI)[2] == ""
    assert last_turns(["y", BODY, BODY])[2] == "y"


def test_html_is_unescaped_once() -> None:
    bodies = ["&gt; quoted &lt;b&gt; &amp; so on", "&amp;gt; and &amp;amp; stay", "&quot;others&#39; &nbsp; stay&quot; &gt"]
    assert last_turns(bodies) == [bodies[2], "&gt; and &amp; stay", "> quoted <b> & so on"]
    assert last_turns(bodies, POLYAI) == bodies[::-1]


def test_lengths_are_those_of_the_unescaped_text() -> None:
    examples, counters = made(chain(BODY, "&gt;" * 127, "&gt;" * 8))
    assert [example["response"] for example in examples] == [">" * 127]
    assert counters.dropped == {"top_level": 1, "response_too_short": 1}


def test_comments_that_are_not_new_are_context_only() -> None:
    raw = chain(BODY, "an older turn of it", "a newer turn of it", "the newest turn of it")
    raw = [{**value, "is_new": index > 1} for index, value in enumerate(raw)]
    examples, counters = made(raw)
    assert [(example["example_id"], example["context"]) for example in examples] == [
        ("c2", "an older turn of it"),
        ("c3", "a newer turn of it"),
    ]
    assert examples[1]["context/0"] == "an older turn of it"
    assert counters.dropped == {"context_only": 2}


def test_missing_authors_are_absent() -> None:
    examples, _ = made([comment("a", "t3_t", author=None), comment("b", "t1_a", author=None, subreddit=None)])
    assert sorted(examples[0]) == [
        "context",
        "context_authors",
        "context_ids",
        "created_utc",
        "example_id",
        "response",
        "root_kind",
        "thread_id",
    ]
    assert examples[0]["context_authors"] == "[deleted]"


def test_authors_and_ids_of_the_context_are_those_of_its_turns() -> None:
    raw = chain(BODY, "[deleted]", BODY, BODY, BODY)
    raw[2]["author"], raw[3]["author"] = "odd  name", None
    examples, _ = made(raw)
    assert (examples[-1]["context_ids"], examples[-1]["context_authors"]) == ("c3 c2", "[deleted] odd__name")
    assert "context/1" not in examples[-1]


def test_no_comments_give_no_examples() -> None:
    examples, counters = made([])
    assert examples == []
    assert counters.read == 0


@settings(max_examples=50)
@given(worlds())
def test_no_tombstone_is_a_turn_and_every_comment_is_accounted_for(sources: list[list[Raw]]) -> None:
    last = {(value["link_id"], value["id"]): value for raw in sources for value in raw}
    examples, _ = made(list(last.values()))
    turns = {text for example in examples for name, text in example.items() if name == "response" or name.startswith("context")}
    assert not turns & set(TOMBSTONES)
    assert all(len(example["response"]) <= 127 and len(example["context"]) <= 127 for example in examples)
    assert len({(example["thread_id"], example["example_id"]) for example in examples}) == len(examples)


def test_a_thread_of_200_000_comments_takes_seconds() -> None:
    count = 200_000
    parents = np.random.Generator(np.random.PCG64(3)).integers(0, np.arange(1, count))
    ids = pl.Series("id", [f"c{index}" for index in range(count)])
    frame = big_thread(ids, pl.concat([pl.Series(["t"]), ids.gather(parents)]))
    started = time.process_time()
    examples, counters = make_examples(frame, DEFAULT)
    assert time.process_time() - started < 10
    assert counters.to_json() == {"read": count, "kept": count - 1, "dropped": {"top_level": 1}, "written": count - 1}
    sample = examples[::997]
    for response, context, older in sample.select("response", "context", "context/0").iter_rows():
        parent = parents[int(response.split()[-1]) - 1]
        assert context == f"this is comment {parent}"
        assert older == (f"this is comment {parents[parent - 1]}" if parent else None)


@pytest.mark.parametrize("parent_depth", [1, 10, 100])
def test_a_chain_of_10_000_is_followed(parent_depth: int) -> None:
    count, config = 10_000, replace(DEFAULT, parent_depth=parent_depth)
    shuffled = deep_chain(count).sample(fraction=1, shuffle=True, seed=5)
    examples, counters = make_examples(shuffled, config)
    assert counters.kept == count - 1
    assert examples["root_kind"].unique().to_list() == ["top_level"]
    for number in (9999, 5000, 1):
        (example,) = examples.filter(pl.col("example_id") == f"c{number}").to_dicts()
        before = range(number - 1, max(-1, number - 1 - parent_depth), -1)
        texts = [example[name] for name in ["response", "context", *config.extra_contexts] if example[name] is not None]
        assert texts == [f"this is comment {number}", *(f"this is comment {turn}" for turn in before)]
        assert example["context_ids"] == " ".join(f"c{turn}" for turn in before)


def test_below_the_depth_of_a_deep_chain_or_a_fault_in_it_there_is_no_response() -> None:
    deep = replace(DEFAULT, max_depth=7000, failed_turn="subtree", max_words=4)
    frame = deep_chain(10_000).with_columns(
        body=pl.when(pl.col("id") == "c6000").then(pl.lit("more words than the others")).otherwise("body")
    )
    _, counters = make_examples(frame.sample(fraction=1, shuffle=True, seed=6), deep)
    assert counters.dropped == {
        "top_level": 1,
        "too_deep": 3000,
        "response_too_many_words": 1,
        "context_too_many_words": 1,
        "subtree_too_many_words": 998,
    }


@pytest.mark.slow
def test_a_thread_of_a_million_comments_takes_seconds_and_half_a_gigabyte() -> None:
    """Each answers one of the fifty before it, so nearly all have ten turns before them: 0.8 GB of records in all."""
    script = """
import sys
import numpy as np
import polars as pl
from tests.conversations.test_examples import DEFAULT, big_thread
from threadmill.conversations.stage import encode_group
from threadmill.datasets.shards import ShardName

count = 1_000_000
numbers = np.arange(1, count)
parents = np.random.Generator(np.random.PCG64(3)).integers(np.maximum(0, numbers - 50), numbers)
ids = pl.Series("id", [f"c{index}" for index in range(count)])
frame = big_thread(ids, pl.concat([pl.Series(["t"]), ids.gather(parents)]))
del numbers, parents, ids
open("/proc/self/clear_refs", "w").write("5")  # VmHWM, the most memory there was, begins anew

def memory(name):
    (line,) = (line for line in open("/proc/self/status") if line.startswith(name))
    return int(line.split()[1]) >> 10

before = memory("VmRSS")
pieces, counters = encode_group(frame, DEFAULT, ShardName("train", 0, 1, "tfrecord"), 0)
size = sum(memoryview(piece).nbytes for piece in pieces)
print(counters.kept, size >> 20, memory("VmHWM") - before)
"""
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    kept, written, memory = map(int, result.stdout.split())
    assert (kept, written > 400) == (999_999, True)
    assert memory < 700
    assert ended.ru_utime - started.ru_utime < 60


def deep_chain(count: int) -> pl.DataFrame:
    """Comments each of which answers the one before."""
    ids = pl.Series("id", [f"c{index}" for index in range(count)])
    return big_thread(ids, pl.concat([pl.Series(["t"]), ids.head(count - 1)]))


def big_thread(ids: pl.Series, parent_ids: pl.Series) -> pl.DataFrame:
    top = pl.int_range(len(ids), eager=True) == 0
    kind = pl.select(pl.when(top).then(pl.lit("submission")).otherwise(pl.lit("comment"))).to_series()
    body = ("this is comment " + ids.str.strip_prefix("c")).alias("body")
    columns = {
        "thread_id": "t",
        "id": ids,
        "parent_id": parent_ids,
        "parent_kind": kind,
        "subreddit": "s",
        "author": "a",
        "body": body,
    }
    when = pl.lit(0).cast(pl.Datetime("us", "UTC"))
    others: dict[str, Any] = {
        "removal": pl.lit(None, pl.String),
        "score": pl.lit(None, pl.Int64),
        "created_utc": when,
        "is_new": True,
    }
    return pl.DataFrame(columns).with_columns(**others).select(COLUMNS)
