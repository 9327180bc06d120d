"""The report's plots as inline SVG: the same bytes for the same numbers, in colours that the page's style sheet sets."""

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from threadmill.conversations.statistics import ConversationStatistics, Distribution
from threadmill.reports.funnel import FunnelStep, reason_words
from threadmill.reports.training import LossCurve

# Stand-ins that matplotlib draws with; the page's CSS variables of these names give the colours, light or dark.
_NAMES = ("ink", "muted", "grid", "first", "second", "third", "drop")
_COLOURS = {name: f"#{number:06x}" for number, name in enumerate(_NAMES, 1)}
_INK, _MUTED, _GRID, _FIRST, _SECOND, _THIRD, _DROP = _COLOURS.values()

_WIDTH = 5.2  # inches: at 72 units an inch, near the width of a phone, so that its text is not shrunk there
_ROW = 0.29
_STYLE: dict[Any, Any] = {
    "font.size": 10.5,
    "text.color": _INK,
    "text.parse_math": False,  # a subreddit named $x$ is no formula
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _INK,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's own font
}
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_MOST_POINTS = 400
_LONGEST_LABEL = 28
_MOST_MONTH_LABELS = 14
_MOST_UPRIGHT_LABELS = 6
_HEADROOM = 1.08  # the axis' length, as a multiple of the largest number
_THOUSANDS = EngFormatter(sep="")


def funnel_plot(steps: Sequence[FunnelStep]) -> str:
    """For each stage a bar for what it kept and one for each reason to drop, as shares of what it read."""
    labels, shares, notes, colours = [], [], [], []
    for step in steps:
        rows = [("kept", step.kept, _FIRST), *((reason_words(reason), count, _DROP) for reason, count in step.dropped)]
        for index, (what, count, colour) in enumerate(rows):
            labels.append(f"{step.stage}: {what}" if index == 0 else what)
            shares.append(100 * step.share(count))
            notes.append(f"{count:,}" + (f" of {step.read:,} {step.unit}" if index == 0 else ""))
            colours.append(colour)

    def draw(axes: Axes) -> None:
        _bars(axes, labels, shares, notes, colours)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of what the stage read")

    return _svg("funnel", draw, height=0.6 + _ROW * len(labels))


def length_plot(statistics: ConversationStatistics) -> str:
    """Histograms of the lengths of contexts and responses."""

    def draw(axes: Axes) -> None:
        edges = _edges(max(statistics.context_chars.maximum, statistics.response_chars.maximum))
        for name, lengths, colour in (
            ("context", statistics.context_chars, _FIRST),
            ("response", statistics.response_chars, _SECOND),
        ):
            axes.stairs(_histogram(lengths, edges), edges, color=colour, label=name, linewidth=1.6)
        axes.set_xlabel("characters")
        axes.set_ylabel("examples")
        _counting_axis(axes.yaxis)
        axes.grid(axis="y")
        _legend_above(axes)

    return _svg("lengths", draw)


def distribution_plot(name: str, lengths: Distribution, measure: str, unit: str, most: int) -> str:
    """A histogram of the lengths up to ``most``; those beyond, few and far away, would leave the others no room.

    Args:
        name: of the plot, for its ids.
        measure, unit: what lengths are in, and what has them: the axes' labels.
    """

    def draw(axes: Axes) -> None:
        edges = _edges(most)
        near = Distribution({length: count for length, count in lengths.counts.items() if length < edges[-1]})
        axes.stairs(_histogram(near, edges), edges, color=_FIRST, fill=True)
        axes.set_xlim(0, edges[-1])
        axes.set_xlabel(measure)
        axes.set_ylabel(unit)
        _counting_axis(axes.xaxis)
        _counting_axis(axes.yaxis)
        axes.grid(axis="y")

    return _svg(name, draw)


def subreddit_plot(top: Sequence[tuple[str, int]]) -> str:
    """Examples of each of the given subreddits."""

    def draw(axes: Axes) -> None:
        names, counts = [name for name, _ in top], [count for _, count in top]
        _bars(axes, names, counts, [f"{count:,}" for count in counts], [_FIRST] * len(top))
        _counting_axis(axes.xaxis)
        axes.set_xlabel("examples")

    return _svg("subreddits", draw, height=0.6 + _ROW * len(top))


def depth_plot(turns: Distribution) -> str:
    """How many turns the examples have."""

    def draw(axes: Axes) -> None:
        values = sorted(turns.counts)
        axes.bar(values, [turns.counts[value] for value in values], color=_FIRST, width=0.8)
        axes.set_xlabel("turns an example, the response included")
        axes.set_ylabel("examples")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _counting_axis(axes.yaxis)
        axes.grid(axis="y")

    return _svg("depth", draw)


def split_plot(splits: Mapping[str, tuple[int, int]], unit: str = "examples") -> str:
    """The size of each split; ``splits`` maps its name to (how many of ``unit``, shards)."""

    def draw(axes: Axes) -> None:
        sizes = [count for count, _ in splits.values()]
        notes = [f"{count:,} in {shards:,} shard{'s' * (shards != 1)}" for count, shards in splits.values()]
        _bars(axes, list(splits), sizes, notes, [_FIRST] * len(splits))
        _counting_axis(axes.xaxis)
        axes.set_xlabel(unit)

    return _svg("splits", draw, height=0.6 + _ROW * len(splits))


def loss_plot(curves: Mapping[str, LossCurve], baseline: float | None) -> str:
    """The training losses by step, each point the mean of its neighbours, with the unigram model's as a line.

    Args:
        curves: by name, the total (``loss``) first.
        baseline: to be compared with ``masked_loss``, where that is told.
    """

    def draw(axes: Axes) -> None:
        for (name, curve), colour in zip(curves.items(), (_FIRST, _THIRD, _DROP, _INK), strict=False):
            points = curve.thinned(_MOST_POINTS)
            if len(points.steps) < len(curve.steps):
                axes.fill_between(points.steps, points.lowest, points.highest, color=colour, alpha=0.15, linewidth=0)
            axes.plot(points.steps, points.losses, color=colour, linewidth=1.4, label=reason_words(name))
        if baseline is not None:
            axes.axhline(baseline, color=_SECOND, linewidth=1.4, linestyle="--", label=f"unigram model: {baseline:.3f}")
        axes.set_xlabel("step")
        axes.set_ylabel("nats")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        _legend_above(axes)

    return _svg("loss", draw, height=3.2)


def months_plot(name: str, months: Sequence[str], series: Mapping[str, Sequence[float | None]], unit: str) -> str:
    """One line a series over months; a month whose number is not known is a gap.

    Args:
        name: of the plot, for its ids.
        months: labels, in order.
        series: by its name, a number a month.
        unit: the axis's label.
    """

    def draw(axes: Axes) -> None:
        places = range(len(months))
        for (label, numbers), colour in zip(series.items(), (_FIRST, _SECOND, _THIRD), strict=False):
            known = [math.nan if number is None else number for number in numbers]
            axes.plot(places, known, color=colour, linewidth=1.4, marker="o", markersize=3.5, label=label)
        every = -(-len(months) // _MOST_MONTH_LABELS)
        slanted: dict[str, Any] = {"rotation": 30, "ha": "right"} if len(months) > _MOST_UPRIGHT_LABELS else {}
        axes.set_xticks(list(places)[::every], [_short(month) for month in months[::every]], **slanted)
        axes.set_ylabel(unit)
        most = max((number for numbers in series.values() for number in numbers if number is not None), default=0)
        axes.set_ylim(0, _HEADROOM * most or 1)  # not the margin that matplotlib gives, which a level line has none of
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, place: _THOUSANDS(value) if abs(value) >= 1000 else f"{value:.4g}")
        axes.grid(axis="y")
        if len(series) > 1:
            _legend_above(axes)

    return _svg(name, draw, height=2.8)


def _legend_above(axes: Axes) -> None:
    """Where it hides no line."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _bars(axes: Axes, labels: Sequence[str], sizes: Sequence[float], notes: Sequence[str], colours: Sequence[str]) -> None:
    """Horizontal bars from the top down, each with a note at its end (or inside, where it has no room beside)."""
    places = range(len(labels))
    axes.barh(places, sizes, color=colours, height=0.72)
    axes.set_yticks(places, [_short(label) for label in labels])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_ylim(len(labels) - 0.4, -0.6)
    most = max(sizes, default=0) or 1
    for place, size, note in zip(places, sizes, notes, strict=True):
        inside = size > most / 2
        axes.annotate(
            note,
            (size, place),
            xytext=(-4 if inside else 4, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            color="white" if inside else _INK,
        )


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1] + "…"


def _counting_axis(axis: Any) -> None:
    axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axis.set_major_formatter(EngFormatter(sep=""))


def _edges(maximum: int, bins: int = 40) -> list[int]:
    """Edges of equal bins of whole numbers that cover 0 to ``maximum``."""
    width = max(1, -(-(maximum + 1) // bins))
    return list(range(0, maximum + 1 + width, width))


def _histogram(lengths: Distribution, edges: Sequence[int]) -> list[int]:
    width = edges[1] - edges[0]
    counts = [0] * (len(edges) - 1)
    for length, count in lengths.counts.items():
        counts[length // width] += count
    return counts


def _svg(name: str, draw: Callable[[Axes], None], height: float = 2.6) -> str:
    """Draws one plot and returns its <svg> element; ``name`` keeps its ids apart from other plots' of the page."""
    stream = io.StringIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # whatever a user's matplotlibrc says
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": name})
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the page's fonts will have it
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        figure.patch.set_visible(False)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        figure.savefig(stream, format="svg", metadata=_METADATA)
    return _for_page(stream.getvalue(), name)


def _for_page(svg: str, name: str) -> str:
    element = svg[svg.index("<svg") :]
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", element)
    for variable, colour in _COLOURS.items():
        element = element.replace(colour, f"var(--{variable})")
    return element.strip()
