"""The templates' environment: how counts, shares and settings are written, and what is escaped."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

from threadmill.reports.contents import ReportContents
from threadmill.reports.funnel import reason_words

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")


def render(template: str, values: Mapping[str, Any]) -> str:
    """A template of this package filled in; .html.j2 templates escape every value, .md.j2 ones say what they escape."""
    return _environment(autoescape=template.endswith(".html.j2")).get_template(template).render(values)


def summary(contents: ReportContents) -> str:
    """The report in a sentence."""
    if not contents.from_reddit:
        return f"{contents.statistics.examples:,} context/response examples."
    comments = "" if contents.comments is None else f" from {contents.comments:,} comments"
    of = (
        f"r/{contents.top_subreddits[0][0]}"
        if len(contents.statistics.subreddits) == 1
        else (f"{len(contents.statistics.subreddits):,} subreddits")
    )
    return f"{contents.statistics.examples:,} context/response examples{comments} of {of}."


def subreddit_caption(contents: ReportContents) -> str:
    """What the list of subreddits shows."""
    shown, there = len(contents.top_subreddits), len(contents.statistics.subreddits)
    return f"Examples of the {shown} largest of {there:,} subreddits" if shown < there else "Examples of each subreddit"


def score_text(name: str, value: float) -> str:
    """A measured number: an accuracy or chance as a percentage, whole numbers in full, others to four digits."""
    if name.endswith(("accuracy", "chance")):
        return f"{value:.1%}"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("threadmill.reports"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=lambda value: f"{value:,}",
        score=lambda value, name: score_text(name, value),
        percent=lambda share: f"{share:.1%}",
        percentile_name=lambda fraction: "median" if fraction == 0.5 else f"{fraction:.0%}",
        words=reason_words,
        flat=lambda config: list(flat_settings(config)),
        md=lambda text: _MARKDOWN.sub(r"\\\1", str(text)).replace("\n", " "),
    )
    return environment


def flat_settings(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The settings as (name, JSON value), those within others as ``outer.inner``, sorted by name."""
    for name, value in sorted(config.items()):
        if isinstance(value, Mapping) and value:
            yield from flat_settings(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", orjson.dumps(value).decode()
