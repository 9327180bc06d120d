"""One conversation example as a dialogue, oldest turn first, and a deterministic choice of examples to show."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from threadmill.conversations.reading import read_examples
from threadmill.conversations.statistics import CONVERSATIONS, extra_contexts
from threadmill.datasets.dataset import Dataset
from threadmill.errors import InputError

Example = Mapping[str, str | None]

_COLUMNS = (
    "context",
    "response",
    "context_author",
    "response_author",
    "context_authors",
    "subreddit",
    "thread_id",
    "example_id",
    "created_utc",
)
_EXTRA = re.compile(r"^context/(\d+)$")
# What could move the cursor, colour the terminal or reverse the text of the lines around it.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_INDENT = " " * 5
_SECONDS_DIGITS = 12  # of years that datetime knows


@dataclass(frozen=True)
class Turn:
    """What one author said. ``author`` is None where the example does not tell."""

    author: str | None
    text: str


def turns_of(example: Example) -> list[Turn]:
    """The turns of an example, oldest first; the last is the response."""
    numbers = sorted((int(match[1]) for name in example if (match := _EXTRA.match(name))), reverse=True)
    authors = dict(enumerate((example.get("context_authors") or "").split(" ")[1:]))
    older = [Turn(authors.get(number), text) for number in numbers if (text := example[f"context/{number}"]) is not None]
    context = Turn(example.get("context_author"), example.get("context") or "")
    response = Turn(example.get("response_author"), example.get("response") or "")
    return [*older, context, response]


def heading(example: Example) -> str:
    """Where an example comes from: its subreddit and thread, as far as they are known."""
    subreddit, thread = example.get("subreddit"), example.get("thread_id")
    parts = [f"r/{subreddit}" if subreddit else "", f"thread {thread}" if thread else ""]
    return printable(", ".join(part for part in parts if part))


def find_example(dataset: Dataset, example_id: str) -> dict[str, str | None]:
    """The example of that id, with all its features. Shards are read one after the other until it is found.

    Raises:
        InputError: there is none, or the dataset holds no conversations.
        IntegrityError: a damaged shard.
    """
    if dataset.manifest.stage not in CONVERSATIONS:
        raise InputError(
            f"{dataset.uri} is a dataset of the stage {dataset.manifest.stage}; name one of conversations to see an example"
        )
    wanted = example_id.strip().removeprefix("t1_")
    for shard in dataset.shards():
        places = (read_examples(dataset.path(shard), ["example_id"])["example_id"] == wanted).arg_true()
        if len(places):
            features = [field.name for field in dataset.manifest.schema]
            return read_examples(dataset.path(shard), features).row(places[0], named=True)
    raise InputError(f"{dataset.uri} has no example {example_id!r}; example_id is the response's id, such as c3k2ab")


def render_example(example: Example) -> str:
    """An example as `render_dialogue` gives it, then its features that are no turns, a line each."""
    turns = {"context", "response"}
    others = {name: text for name, text in example.items() if text is not None and not (name in turns or _EXTRA.match(name))}
    width = max((len(name) for name in others), default=0)
    lines = [f"{name:<{width}}  {printable(_told(name, text))}" for name, text in sorted(others.items())]
    return "\n".join([render_dialogue(example), "", *lines])


def _told(name: str, text: str) -> str:
    """A time in words, beside the seconds since 1970 that it is kept as."""
    if name == "created_utc" and text.isdecimal() and len(text) < _SECONDS_DIGITS:
        return f"{text} ({datetime.fromtimestamp(int(text), UTC):%Y-%m-%d %H:%M:%S} UTC)"
    return text


def render_dialogue(example: Example) -> str:
    """An example as plain text that is safe to print: a heading, then the numbered turns with their authors where known."""
    turns = turns_of(example)
    names = [f"{number} {printable(turn.author)}" if turn.author else str(number) for number, turn in enumerate(turns, 1)]
    blocks = [f"  {name}: {_hung(turn.text)}".rstrip() for name, turn in zip(names, turns, strict=True)]
    return "\n".join([f"{heading(example)} ({len(turns)} turns)".lstrip(), *blocks])


def _hung(text: str) -> str:
    """``text`` with its further lines indented below the first."""
    lines = printable(text).splitlines() or [""]
    return "\n".join([lines[0], *(f"{_INDENT}{line}".rstrip() for line in lines[1:])])


def printable(text: str) -> str:
    """``text`` with control and direction-changing characters, line ends and tabs aside, made visible as ``\\x1b``."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


def pick_examples(uri: str, count: int) -> list[dict[str, str | None]]:
    """Up to ``count`` examples of the dataset at ``uri``, the same each time.

    They come in the order of a hash of ``example_id``, but those with three turns and more before others, and among
    these one of each thread before a second. Shards hold random threads, so no shard is read after those that offer
    enough.

    Raises:
        InputError: no dataset there.
        IntegrityError: a damaged shard.
    """
    dataset = Dataset.open(uri)
    columns = [*_COLUMNS, *extra_contexts(dataset.manifest.schema)]
    best: pl.DataFrame | None = None
    for shard in dataset.shards():
        if not shard.records:
            continue
        frame = _best(read_examples(dataset.path(shard), columns), count)
        best = frame if best is None else _best(pl.concat([best.select(columns), frame.select(columns)]), count)
        if best.height >= count and best["preferred"].all():
            break
    return [] if best is None else best.select(columns).to_dicts()


def _best(frame: pl.DataFrame, count: int) -> pl.DataFrame:
    has_third_turn = pl.col("context/0").is_not_null() if "context/0" in frame.columns else pl.lit(False)
    return (
        frame.with_columns(
            short=~has_third_turn,
            order=pl.col("example_id").map_elements(_hash, return_dtype=pl.Binary, skip_nulls=False),
        )
        .sort("short", "order")
        .with_columns(again=pl.int_range(pl.len()).over("thread_id") > 0)
        .sort("short", "again", "order")
        .with_columns(preferred=~(pl.col("again") | pl.col("short")))
        .head(count)
    )


def _hash(example_id: str | None) -> bytes:
    return hashlib.blake2b((example_id or "").encode(), digest_size=8).digest()
