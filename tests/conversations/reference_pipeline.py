"""The reference pipeline in plain Python, to compare with: PolyAI's conversational-datasets, reddit/create_data.py.

Written for the tests from a description of what it does; slow and simple. It holds all comments in memory.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parameters:
    """The reference's flags and their defaults."""

    parent_depth: int = 10
    max_length: int = 127
    min_length: int = 9
    train_split: float = 0.9


DEFAULTS = Parameters()


@dataclass(frozen=True)
class Comment:
    id: str
    thread_id: str
    parent_id: str
    author: str
    subreddit: str
    body: str
    body_is_trimmed: bool


def reference_examples(
    raw: Iterable[Mapping[str, Any]], parameters: Parameters = Parameters()
) -> dict[str, list[dict[str, str]]]:
    """Raw comments, in the order they are read, to the examples of each split ("train", "test")."""
    threads: dict[str, list[Comment]] = defaultdict(list)
    for value in raw:
        comment = normalised(value, parameters.max_length)
        threads[comment.thread_id].append(comment)
    splits: dict[str, list[dict[str, str]]] = {"train": [], "test": []}
    for thread_id, comments in threads.items():
        splits[split_of(thread_id, parameters.train_split)] += thread_examples(comments, parameters)
    return splits


def normalised(value: Mapping[str, Any], max_length: int) -> Comment:
    return Comment(
        id=value["id"],
        thread_id=re.sub("^t[0-9]_", "", value["link_id"]),
        parent_id=re.sub("^t[0-9]_", "", value["parent_id"]),
        author=value["author"],
        subreddit=value["subreddit"],
        body=trimmed(value["body"], max_length),
        body_is_trimmed=len(value["body"]) > max_length,
    )


def trimmed(text: str, max_length: int) -> str:
    """The longest beginning that ends between an alphanumeric character and another; nothing where there is no such place."""
    if len(text) <= max_length:
        return text
    ends = (end for end in range(max_length, 0, -1) if text[end - 1].isalnum() != text[end].isalnum())
    return text[: next(ends, 0)]


def thread_examples(comments: Iterable[Comment], parameters: Parameters) -> Iterator[dict[str, str]]:
    by_id = {comment.id: comment for comment in comments}  # of duplicates the last stays
    for path in paths(by_id, parameters.parent_depth):
        *older, context, response = (by_id[name] for name in path)
        if skipped(context, parameters.min_length) or skipped(response, parameters.min_length):
            continue
        example = {
            "context": context.body,
            "response": response.body,
            "context_author": context.author,
            "response_author": response.author,
            "subreddit": response.subreddit,
            "thread_id": response.thread_id,
        }
        yield example | {f"context/{index}": comment.body for index, comment in enumerate(reversed(older))}


def paths(by_id: Mapping[str, Comment], parent_depth: int) -> Iterator[list[str]]:
    """Breadth first from the comments whose parent is absent: each other one reached, after up to parent_depth before it."""
    children: dict[str, list[str]] = defaultdict(list)
    for comment in by_id.values():
        children[comment.parent_id].append(comment.id)
    level = [[comment.id] for comment in by_id.values() if comment.parent_id not in by_id]
    while level:
        level = [[*path[-parent_depth:], child] for path in level for child in children[path[-1]]]
        yield from level


def skipped(comment: Comment, min_length: int) -> bool:
    return comment.body_is_trimmed or comment.body in ("[deleted]", "[removed]") or len(comment.body) < min_length


def split_of(thread_id: str, train_split: float) -> str:
    position = 1 + int(hashlib.md5(thread_id.encode()).hexdigest(), 16) % 4096
    return "train" if position / 4096 < train_split else "test"
