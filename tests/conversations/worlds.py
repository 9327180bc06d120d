"""Small worlds of comments with every trap the real dumps hold, and the way from dumps to conversations."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from threadmill.config import pick_settings
from threadmill.conversations.config import ConversationsConfig, ThreadsConfig, find_preset
from threadmill.conversations.examples import COLUMNS
from threadmill.conversations.stage import ConversationsStage
from threadmill.conversations.threads import ThreadsStage
from threadmill.corpora.reddit.comments import TOMBSTONES
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.engine.run import run_stage
from threadmill.errors import InputError

JANUARY = 1_136_073_600  # 2006-01-01
Raw = dict[str, Any]

NAMES = ["a", "b", "c", "d", "7", "07", "e1", "zz", "f", "g", "h", "i"]  # few, so that ids collide
THREADS = ["a", "7", "thread", "q"]  # two of them a comment's id too: submissions and comments count apart
PIECES = ["word", " ", "é", "e\u0301", "😀", "漢字", "²", "½", ". ", "_", "\n", "&gt; ", "&amp;gt;", "א", "x" * 140, "!" * 140]
LENGTHS = [9, 10, 30, 126, 127, 9, 30, 60, 127, 0, 1, 8, 128, 129, 300]  # more of those that make a turn


@st.composite
def bodies(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 7)) == 7:
        return draw(st.sampled_from([*TOMBSTONES, "[deleted] not quite", ""]))
    length = draw(st.sampled_from(LENGTHS))
    pieces = draw(st.lists(st.sampled_from(PIECES) | st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6))
    return ("".join(pieces) * (length + 1))[:length]


@st.composite
def tangles(draw: st.DrawFn) -> list[Raw]:
    """Comments of a thread that answer any other, one that is not there, themselves or the submission."""
    thread, count = draw(st.sampled_from(THREADS)), draw(st.integers(4, 14))
    return [
        comment(
            draw(st.sampled_from(NAMES)),
            draw(st.sampled_from([f"t3_{thread}", "t1_gone", *(f"t1_{name}" for name in NAMES)])),
            thread,
            draw(bodies()),
            created_utc=JANUARY + draw(st.integers(0, 9)),
        )
        for _ in range(count)
    ]


@st.composite
def chains(draw: st.DrawFn) -> list[Raw]:
    """Comments of a thread each of which answers the one before; the first may answer one after it."""
    length, thread = draw(st.integers(2, 16)), draw(st.sampled_from(["chain", "a"]))
    first = draw(st.sampled_from([f"t3_{thread}", f"t3_{thread}", "t1_gone", "t1_k0", "t1_k1", f"t1_k{length - 1}"]))
    return [
        comment(f"k{index}", f"t1_k{index - 1}" if index else first, thread, draw(bodies()), created_utc=JANUARY + index)
        for index in range(length)
    ]


@st.composite
def worlds(draw: st.DrawFn) -> list[list[Raw]]:
    """The comments of one to three sources, in the order of reading."""
    everything = [value for thread in draw(st.lists(chains() | tangles(), min_size=1, max_size=3)) for value in thread]
    shuffled = draw(st.permutations(everything))
    cuts = sorted(draw(st.lists(st.integers(1, len(shuffled) - 1), max_size=2, unique=True)))
    return [list(shuffled[start:end]) for start, end in pairwise([0, *cuts, len(shuffled)])]


def comment(identity: str, parent: str, thread: str = "t", body: str | None = None, **changed: Any) -> Raw:
    text = f"a body of some length, {identity}" if body is None else body
    made = {"id": identity, "parent_id": parent, "link_id": f"t3_{thread}", "body": text, "author": f"by {identity}"}
    return {**made, "subreddit": f"of {thread}", "created_utc": JANUARY, **changed}


def write_dump(path: Path, raw: Iterable[Raw]) -> str:
    path.write_bytes(b"".join(json.dumps(value).encode() + b"\n" for value in raw))
    return str(path)


def make_comments(folder: Path, *sources: Sequence[Raw]) -> str:
    """A comments dataset of the sources; its URI."""
    folder.mkdir(parents=True, exist_ok=True)
    # Each source ends with a comment of its own, in a thread of its own: sources of equal bytes are refused.
    own = [comment(f"own{index}", f"t3_own{index}", f"own{index}") for index in range(len(sources))]
    paths = [write_dump(folder / f"source{index}.ndjson", [*raw, own[index]]) for index, raw in enumerate(sources)]
    run_stage(IngestStage(tuple(paths)), str(folder / "comments"), workers=1)
    return str(folder / "comments")


def make_conversations(folder: Path, comments: Sequence[str], preset: str, *, workers: int = 1, **changed: Any) -> Dataset:
    """Threads and conversations from comments datasets, as `threadmill reddit` makes them."""
    chosen = find_preset(preset)
    threads_config = replace(chosen.threads, **pick_settings(ThreadsConfig, changed))
    conversations_config = replace(chosen.conversations, **pick_settings(ConversationsConfig, changed))
    threads, conversations = str(folder / "threads"), str(folder / "conversations")
    run_stage(ThreadsStage(tuple(comments), threads_config, "300MB"), threads, workers=workers)
    run_stage(ConversationsStage(threads, conversations_config), conversations, workers=workers)
    return Dataset.open(conversations)


def examples_of(dataset: Dataset) -> dict[str, list[dict[str, str]]]:
    """The examples of each split, read record by record."""
    return {
        split: [example for shard in dataset.shards(split) for example in read_shard(Path(dataset.path(shard)))]
        for split in dataset.splits()
    }


def read_shard(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".parquet":
        return [{name: text for name, text in row.items() if text is not None} for row in pl.read_parquet(path).to_dicts()]
    if path.suffix == ".jsonl":
        return [json.loads(text) for text in path.read_text().split("\n") if text]
    return [{name: value.decode() for name, (value,) in parse_example(record).items()} for record in read_records(str(path))]


def examples_or_none(folder: Path, comments: Sequence[str], preset: str, **changed: Any) -> dict[str, list[dict[str, str]]]:
    """The examples of each split; no split where the comments give none, which is an error of the stage."""
    try:
        return examples_of(make_conversations(folder, comments, preset, **changed))
    except InputError as error:
        if "give no example" not in str(error):
            raise
        return {}


def _parent_kind(value: Raw) -> str:
    if value.get("submission"):
        return "none"
    return "comment" if value["parent_id"].startswith("t1_") else "submission"


def thread_frame(raw: Sequence[Raw]) -> pl.DataFrame:
    """Comments, whole threads together and ids unique in them, in the columns that `make_examples` reads."""
    rows = [
        {
            "thread_id": value["link_id"][3:],
            "id": value["id"],
            "parent_id": value["parent_id"][3:] or None,
            "parent_kind": _parent_kind(value),
            "subreddit": value["subreddit"],
            "author": value["author"],
            "body": value["body"],
            "created_utc": datetime.fromtimestamp(value["created_utc"], UTC),
            "is_new": value.get("is_new", True),
            "removal": TOMBSTONES.get(value["body"]),
            "score": value.get("score"),
        }
        for value in raw
    ]
    types = {"is_new": pl.Boolean, "score": pl.Int64, "created_utc": pl.Datetime("us", "UTC")}
    schema: dict[str, Any] = {name: types.get(name, pl.String) for name in COLUMNS}
    return pl.DataFrame(rows, schema=schema).sort("thread_id", maintain_order=True)
