"""Reads written dumps back, with nothing of the code under test."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zstandard

Comment = dict[str, Any]


def read_lines(path: Path) -> list[bytes]:
    """The lines of a dump, without their ends."""
    with (
        path.open("rb") as stream,
        zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(stream, read_across_frames=True) as reader,
    ):
        content: bytes = reader.read()
    return content.splitlines()


def read_comments(paths: Iterable[Path]) -> list[Comment]:
    """The comments of dumps, in order."""
    return [json.loads(line) for path in paths for line in read_lines(path)]


def parents(comments: Iterable[Comment]) -> dict[str, str]:
    """For each comment that answers another the other's id, whether or not it is among them."""
    return {comment["id"]: comment["parent_id"][3:] for comment in comments if comment["parent_id"].startswith("t1_")}


def depths(comments: list[Comment]) -> dict[str, int]:
    """How many comments of the list are above each one; they come after what they answer."""
    answered = parents(comments)
    depth: dict[str, int] = {}
    for comment in comments:
        above = answered.get(comment["id"])
        depth[comment["id"]] = depth[above] + 1 if above in depth else 0
    return depth
