"""A dataset in figures: its funnel, and for conversations the lengths, turns, splits and subreddits; `threadmill stats`."""

from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.conversations.statistics import CONVERSATIONS, Distribution, conversation_statistics
from threadmill.conversations.yields import comments_of
from threadmill.datasets.dataset import Dataset
from threadmill.reports.dialogue import printable
from threadmill.reports.funnel import funnel, funnel_table
from threadmill.reports.tables import aligned

_PERCENTILES = (5, 25, 50, 75, 95, 99)


def figures(dataset: Dataset, subreddits: int) -> dict[str, Any]:
    """The figures as JSON values.

    Args:
        subreddits: how many of the largest are listed.

    Returns:
        name, uri, stage, digest, partial, records, splits (records, shards and bytes of each), counters and statistics as the
        manifest has them; for conversations also comments, yield (examples a comment; both None where not known), lengths
        (mean, percentiles, maximum of each measure), subreddits (their number, and the largest as [name, examples]) and months
        (examples by the month in which the response was written).
    """
    manifest = dataset.manifest
    found: dict[str, Any] = {
        "name": manifest.name,
        "uri": dataset.uri,
        "stage": manifest.stage,
        "digest": manifest.digest,
        "partial": manifest.partial,
        "records": manifest.records,
        "splits": {split: _split(dataset, split) for split in dataset.splits()},
        "counters": manifest.counters.to_json(),
        "statistics": dict(manifest.statistics),
    }
    return {**found, **_of_examples(dataset, subreddits)} if manifest.stage in CONVERSATIONS else found


def _split(dataset: Dataset, split: str) -> dict[str, int]:
    shards = dataset.shards(split)
    return {
        "records": sum(shard.records for shard in shards),
        "shards": len(shards),
        "bytes": sum(shard.bytes for shard in shards),
    }


def _of_examples(dataset: Dataset, subreddits: int) -> dict[str, Any]:
    statistics, comments = conversation_statistics(dataset.uri), comments_of(dataset.manifest)
    measures = {
        "context_chars": statistics.context_chars,
        "response_chars": statistics.response_chars,
        "turns": statistics.turns,
    }
    return {
        "comments": comments,
        "yield": statistics.examples / comments if comments else None,
        "lengths": {name: _summary(distribution) for name, distribution in measures.items()},
        "subreddits": {
            "count": len(statistics.subreddits),
            "largest": [list(entry) for entry in statistics.top_subreddits(subreddits)],
        },
        "months": dict(sorted(statistics.months.items())),
    }


def _summary(distribution: Distribution) -> dict[str, float]:
    percentiles = {f"p{number}": distribution.percentile(number / 100) for number in _PERCENTILES}
    return {"mean": round(distribution.mean, 3), **percentiles, "maximum": distribution.maximum}


def figures_text(dataset: Dataset, found: Mapping[str, Any]) -> Iterator[str]:
    """The figures as lines for people. Safe to print."""
    partial = ", partial" if found["partial"] else ""
    yield printable(f"{found['name']}: {found['stage']}{partial}, {found['records']:,} records, {found['uri']}")
    yield ""
    yield funnel_table(funnel([dataset.manifest]))
    yield ""
    splits = [(name, *(f"{split[key]:,}" for key in ("records", "shards", "bytes"))) for name, split in found["splits"].items()]
    yield from aligned([("split", "records", "shards", "bytes"), *splits])
    if found["stage"] == "corpus":
        yield from _corpus_text(found["statistics"]["splits"])
    if "lengths" in found:
        yield from _examples_text(found)


def _corpus_text(splits: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """What a text corpus holds, by split."""
    names = ("documents", "single_line_documents", "lines", "words", "characters")
    yield ""
    yield from aligned(
        [
            ("split", *(name.replace("_", " ") for name in names), "lines a document", "words a line"),
            *(
                (
                    split,
                    *(f"{counts[name]:,}" for name in names),
                    f"{counts['lines'] / counts['documents']:.1f}",
                    f"{counts['words'] / counts['lines']:.1f}",
                )
                for split, counts in splits.items()
            ),
        ]
    )


def _examples_text(found: Mapping[str, Any]) -> Iterator[str]:
    if found["yield"] is not None:
        yield ""
        yield f"{found['yield']:.4f} examples a comment, of {found['comments']:,} comments"
    yield ""
    heads = ["mean", *(f"{number}%" if number != 50 else "median" for number in _PERCENTILES), "most"]
    rows = [
        [
            name.replace("_chars", ", characters"),
            f"{summary['mean']:.1f}",
            *(f"{value:,}" for value in list(summary.values())[1:]),
        ]
        for name, summary in found["lengths"].items()
    ]
    yield from aligned([["length", *heads], *rows])
    yield ""
    largest = [
        (f"r/{name}", f"{count:,}", f"{count / max(found['records'], 1):.1%}") for name, count in found["subreddits"]["largest"]
    ]
    of = f"subreddit ({len(largest):,} of {found['subreddits']['count']:,})"
    yield from aligned([(of, "examples", "share"), *largest])
