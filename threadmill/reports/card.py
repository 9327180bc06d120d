"""The dataset card: Markdown with a YAML header in the layout of the Hugging Face hub (README.md of a dataset)."""

import re

import threadmill
from threadmill.conversations.statistics import extra_contexts
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
    "root_kind": "top_level: the dialogue's first comment answers the submission; orphan: one that is missing",
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
            "partial": contents.partial,
            "size_category": _size_category(statistics.examples),
            "splits": contents.splits,
            "fields": [{"name": field.name, "type": field.type, "meaning": _meaning(field.name)} for field in manifest.schema],
            "extra_contexts": len(extra_contexts(manifest.schema)),
            "distributions": [
                ("characters in the context", statistics.context_chars),
                ("characters in the response", statistics.response_chars),
                ("turns", statistics.turns),
            ],
            "subreddit_caption": subreddit_caption(contents),
            "top_subreddits": contents.top_subreddits,
            "sources": contents.sources,
            "datasets": contents.road_here,
            "digest": manifest.digest,
            "config": manifest.config,
            "format": contents.splits[0].pattern.rsplit(".", 1)[-1],
            "steps": funnel(contents.road_here),
        },
    )


def _size_category(examples: int) -> str:
    """The hub's category of a dataset's size."""
    return next((name for limit, name in (*_SIZES, *_LARGER) if examples < limit), "n>1T")


def _meaning(name: str) -> str:
    return _MEANINGS.get(name, "the turn before the one above" if _EARLIER.match(name) else "")
