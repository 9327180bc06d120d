"""Small datasets, written as the stages write them."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from threadmill.conversations.formats import encode, open_shard
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import Field, FileEntry, Manifest, write_manifest
from threadmill.datasets.shards import ShardName

FEATURES = (
    "context",
    "context/0",
    "context/1",
    "context_author",
    "context_authors",
    "context_ids",
    "created_utc",
    "example_id",
    "response",
    "response_author",
    "root_kind",
    "subreddit",
    "thread_id",
)

Row = Mapping[str, str]


def example(number: int, **changed: str) -> dict[str, str]:
    """An example of two turns in a thread of its own."""
    return {
        "context": "how are you?",
        "response": "very well",
        "context_author": "ann",
        "response_author": "bob",
        "subreddit": "reddit.com",
        "thread_id": f"t{number}",
        "example_id": f"c{number}",
        **changed,
    }


def write_dataset(
    folder: Path,
    stage: str,
    files: Mapping[str, tuple[bytes, int]],
    counters: Counters,
    *,
    made_from: Sequence[Path] = (),
    schema: Sequence[str] = (),
    dead_letters: Mapping[str, tuple[bytes, int]] | None = None,
    **changed: Any,
) -> str:
    """A dataset of the given files, each with its content and number of records; returns its URI."""
    folder.mkdir(parents=True)

    def written(name: str, content: bytes, records: int) -> FileEntry:
        (folder / name).write_bytes(content)
        return FileEntry(name, records, len(content), file_digest(str(folder / name)))

    manifest = Manifest(
        name=folder.name,
        stage=stage,
        version=1,
        config=changed.pop("config", {}),
        inputs=tuple(Dataset.open(str(path)).as_input() for path in made_from),
        schema=tuple(Field(name, "bytes") for name in schema),
        shards=tuple(written(name, *file) for name, file in files.items()),
        counters=counters,
        dead_letters=tuple(written(name, *file) for name, file in (dead_letters or {}).items()),
        **changed,
    )
    write_manifest(str(folder), manifest)
    return str(folder)


def write_conversations(
    folder: Path, shards: Mapping[str, Sequence[Sequence[Row]]], format: str = "jsonl", **changed: Any
) -> str:
    """A conversations dataset: for each split its shards, for each shard its examples."""
    files = {}
    for split, parts in shards.items():
        for index, rows in enumerate(parts):
            name = str(ShardName(split, index, len(parts), format))
            files[name] = (shard_content(rows, format), len(rows))
    kept = sum(records for _, records in files.values())
    counters = changed.pop("counters", Counters(kept + 50, kept, kept, {"top_level": 40, "response_too_short": 10}))
    stage = changed.pop("stage", "conversations")
    return write_dataset(folder, stage, files, counters, schema=FEATURES, **changed)


def write_corpus(folder: Path, shards: Mapping[str, Sequence[Sequence[Sequence[str]]]], **changed: Any) -> str:
    """A text corpus: for each split its shards, for each shard its documents, of lines."""
    files = {}
    for split, parts in shards.items():
        for index, documents in enumerate(parts):
            text = "\n\n".join("\n".join(lines) for lines in documents) + "\n"
            files[str(ShardName(split, index, len(parts), "txt"))] = (text.encode(), sum(map(len, documents)))
    documents, lines = sum(len(part) for parts in shards.values() for part in parts), sum(lines for _, lines in files.values())
    counters = changed.pop("counters", Counters(documents + 3, documents, lines, {"empty": 3}))
    return write_dataset(folder, "corpus", files, counters, schema=("text",), **changed)


def shard_content(rows: Sequence[Row], format: str) -> bytes:
    """The bytes of a shard of the given examples."""
    stream = io.BytesIO()
    with open_shard(stream, format, FEATURES) as shard:
        shard.write(encode(frame(rows), format))
    return stream.getvalue()


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Examples as the conversations stage has them: one column a feature, null where it is absent."""
    return pl.DataFrame([{name: row.get(name) for name in FEATURES} for row in rows], schema=dict.fromkeys(FEATURES, pl.String))
