"""The dataset card: Markdown with a YAML header in the layout of the Hugging Face hub (README.md of a dataset)."""

import re
from collections.abc import Mapping
from typing import Any

import threadmill
from threadmill.conversations.statistics import extra_contexts
from threadmill.datasets.manifest import Manifest
from threadmill.reports.contents import ReportContents
from threadmill.reports.funnel import funnel
from threadmill.reports.layout import render, subreddit_caption, summary

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
_LARGER = ((10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"))
_MEANINGS = {
    "context": "the message answered to",
    "response": "the reply",
    "context/0": "the turn before `context`",
    "context_author": "author of `context`",
    "response_author": "author of `response`",
    "subreddit": "where the thread is",
    "thread_id": "the submission's id, base 36",
    "example_id": "the example's stable id",
    "root_kind": "top_level: the dialogue's first comment answers the submission; orphan: one that is missing; submission: "
    "its first turn is the submission",
    "created_utc": "when the response was written, in seconds since 1970-01-01 UTC",
    "context_ids": "the ids of `context`, `context/0`, ..., with a space between; a submission's begins with `t3_`",
    "context_authors": "the authors of the same turns, with a space between; `[deleted]` for one that is not known",
}
_EARLIER = re.compile(r"^context/\d+$")


def render_card(contents: ReportContents) -> str:
    """The card; it holds no text of the comments."""
    manifest, statistics = contents.conversations, contents.statistics
    return render(
        "dataset_card.md.j2",
        {
            "name": manifest.name,
            "version": threadmill.__version__,
            "summary": summary(contents),
            "partial": contents.run.partial,
            "from_reddit": contents.from_reddit,
            "size_category": size_category(statistics.examples),
            "splits": contents.splits,
            "loaded": [split for split in contents.splits if split.examples],
            **_deduplication(manifest),
            "taken_down": sum(one.counters.dropped.get("taken_down", 0) for one in contents.road_here),
            "tells_turns": any(field.name == "context_ids" for field in manifest.schema),
            "fields": [{"name": field.name, "type": field.type, "meaning": _meaning(field.name)} for field in manifest.schema],
            "extra_contexts": len(extra_contexts(manifest.schema)),
            "distributions": [
                ("characters in the context", statistics.context_chars),
                ("characters in the response", statistics.response_chars),
                ("turns", statistics.turns),
            ],
            "subreddit_caption": subreddit_caption(contents),
            "top_subreddits": contents.top_subreddits,
            "sources": contents.run.sources,
            "datasets": contents.road_here,
            "digest": manifest.digest,
            "made_with": _made_with(contents),
            "format": contents.splits[0].pattern.rsplit(".", 1)[-1],
            "steps": funnel(contents.road_here),
        },
    )


def _deduplication(manifest: Manifest) -> dict[str, Any]:
    """How duplicates were left out, "" where they were not."""
    settings = manifest.config if manifest.stage == "deduplicate" and manifest.config["deduplication"] != "none" else {}
    return {name: settings.get(name, "") for name in ("deduplication", "num_bands", "band_rows", "ngram")}


def _made_with(contents: ReportContents) -> Mapping[str, Any]:
    """The settings of the conversations as they were made: of those before deduplication; empty where they are gone."""
    return next((one.config for one in contents.road_here if one.stage == "conversations"), {})


def size_category(examples: int) -> str:
    """The hub's category of a dataset's size."""
    return next((name for limit, name in (*_SIZES, *_LARGER) if examples < limit), "n>1T")


def _meaning(name: str) -> str:
    return _MEANINGS.get(name, "the turn before the one above" if _EARLIER.match(name) else "")
