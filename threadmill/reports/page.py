"""The report as one HTML page that needs nothing else: no network, no script."""

from collections.abc import Sequence

from markupsafe import Markup

from threadmill.reports import plots
from threadmill.reports.contents import ReportContents
from threadmill.reports.dialogue import heading, printable, turns_of
from threadmill.reports.history import MonthFigures
from threadmill.reports.layout import render, subreddit_caption, summary
from threadmill.reports.run_page import run_plots, run_values, score_tiles

_PERCENTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def render_page(contents: ReportContents) -> str:
    """The page. All text of others is escaped; equal contents give equal bytes."""
    statistics = contents.statistics
    return render(
        "report.html.j2",
        {
            **run_values(contents.run, contents.conversations.name, summary(contents)),
            "tiles": _tiles(contents),
            "plots": _plots(contents),
            "month_plots": _month_plots(contents.months),
            "months": contents.months,
            "checks": contents.checks,
            "subreddit_caption": subreddit_caption(contents),
            "percentiles": _PERCENTILES,
            "distributions": [
                ("context, characters", statistics.context_chars),
                ("response, characters", statistics.response_chars),
                ("turns", statistics.turns),
            ],
            "dialogues": [_dialogue(example) for example in contents.examples],
        },
    )


def _tiles(contents: ReportContents) -> list[tuple[str, str]]:
    statistics = contents.statistics
    comments = contents.comments
    of_comments = (
        [
            ("comments", f"{comments:,}"),
            ("examples a comment", f"{statistics.examples / comments:.3f}"),
        ]
        if comments
        else []
    )
    return [
        ("examples", f"{statistics.examples:,}"),
        *of_comments,
        ("subreddits", f"{len(statistics.subreddits):,}"),
        ("median response, characters", f"{statistics.response_chars.percentile(0.5):,}"),
        *score_tiles(contents.run),
    ]


def _plots(contents: ReportContents) -> dict[str, Markup]:
    drawn = {
        "lengths": plots.length_plot(contents.statistics),
        "depth": plots.depth_plot(contents.statistics.turns),
        "subreddits": plots.subreddit_plot(contents.top_subreddits),
        "splits": plots.split_plot({split.name: (split.examples, split.shards) for split in contents.splits}),
    }
    return {**run_plots(contents.run), **{name: Markup(svg) for name, svg in drawn.items()}}  # matplotlib escapes text itself


def _month_plots(months: Sequence[MonthFigures]) -> list[tuple[str, Markup]]:
    """Captions and plots over months; none where there is but one month."""
    if len(months) < 2:
        return []
    labels = [month.label for month in months]

    def plot(name: str, unit: str, **series: Sequence[float | None]) -> Markup:
        named = {label.replace("_", " "): numbers for label, numbers in series.items()}
        return Markup(plots.months_plot(f"months-{name}", labels, named, unit))

    counts = plot("counts", "", comments=[m.comments for m in months], examples=[m.examples for m in months])
    yields = plot("yield", "examples a comment", examples=[m.examples_a_comment for m in months])
    contexts, responses = [m.context_chars for m in months], [m.response_chars for m in months]
    lengths = plot("lengths", "characters", contexts=contexts, responses=responses)
    turns = plot("turns", "turns an example", turns=[m.turns for m in months])
    removed = plot("removed", "% of comments", removed=[None if m.removed is None else 100 * m.removed for m in months])
    return [
        ("Comments and examples", counts),
        ("Yield", yields),
        ("Mean lengths", lengths),
        ("Mean turns", turns),
        ("Comments whose text was removed", removed),
    ]


def _dialogue(example: dict[str, str | None]) -> dict[str, object]:
    turns = turns_of(example)
    names = [printable(turn.author) if turn.author else f"turn {number}" for number, turn in enumerate(turns, 1)]
    texts = [printable(turn.text) for turn in turns]
    return {"heading": heading(example), "turns": [{"who": who, "text": text} for who, text in zip(names, texts, strict=True)]}
