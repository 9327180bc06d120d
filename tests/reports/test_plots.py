import re
import warnings

import matplotlib as mpl
import pytest

from threadmill.conversations.statistics import ConversationStatistics, Distribution
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Manifest
from threadmill.reports import plots
from threadmill.reports.funnel import funnel
from threadmill.reports.training import LossCurve

NAMES = [("<b>&bold", 5), ("$x_{1}$", 4), ("日本", 3), ("a_name_that_goes_on_and_on_and_on_for_ever", 1)]
STATISTICS = ConversationStatistics(
    6, Distribution({9: 2, 127: 4}), Distribution({1: 6}), Distribution({2: 5, 4: 1}), dict(NAMES)
)
STEPS = funnel([Manifest("c", "conversations", 1, {}, (), (), (), Counters(10, 6, 6, {"top_level": 4}))])
CURVES = {"loss": LossCurve(list(range(1, 1_001)), *[[8 - step / 200 for step in range(1_000)]] * 3)}


def draw_all() -> dict[str, str]:
    return {
        "funnel": plots.funnel_plot(STEPS),
        "lengths": plots.length_plot(STATISTICS),
        "subreddits": plots.subreddit_plot(NAMES),
        "depth": plots.depth_plot(STATISTICS.turns),
        "lines": plots.distribution_plot("lines", Distribution({1: 4, 9: 3, 5_000: 1}), "words a line", "lines", 9),
        "splits": plots.split_plot({"train": (5, 2), "test": (1, 1)}),
        "loss": plots.loss_plot(CURVES, 5.9),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none may reach the task's log
        return draw_all()


def text_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_the_same_numbers_give_the_same_bytes_whatever_the_user_set(drawn: dict[str, str]) -> None:
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert draw_all() == drawn


@pytest.mark.parametrize("numbers", [[3.2, 3.23, 3.18], [20_000, 20_000, 20_000], [None, 0.0, None], [0.1778, 0.18, 0.17]])
def test_lines_over_months_stay_within_their_plot(numbers: list[float | None]) -> None:
    svg = plots.months_plot("turns", ["2006-01", "2006-02", "2006-03"], {"turns": numbers}, "turns")
    heights = [float(y) for y in re.findall(r'<use [^>]*y="([\d.]+)" style="fill: var\(--first\)', svg)]
    clip = re.search(r'<clipPath[^>]*>\s*<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', svg)
    assert clip is not None
    top, height = float(clip[1]), float(clip[2])
    assert len(heights) == sum(number is not None for number in numbers)
    radius = 1.75
    assert all(top + radius <= y <= top + height + 0.01 for y in heights)
    assert "rotate(-30" not in svg


def test_drawing_leaves_the_users_settings_alone() -> None:
    with mpl.rc_context({"font.size": 30}):
        plots.depth_plot(Distribution({2: 1}))
        assert mpl.rcParams["font.size"] == 30


def test_each_plot_is_one_element_with_no_date_and_no_fixed_colour_but_white(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        assert svg.startswith("<svg")
        assert svg.endswith("</svg>")
        assert "metadata" not in svg
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#ffffff"}
        assert "var(--first)" in svg


def test_ids_are_unique_on_a_page_of_all_plots(drawn: dict[str, str]) -> None:
    ids = [identity for svg in drawn.values() for identity in re.findall(r'\bid="([^"]+)"', svg)]
    assert len(ids) == len(set(ids)) > 20
    used = {target for svg in drawn.values() for target in re.findall(r'(?:href="#|url\(#)([^")]+)', svg)}
    assert used <= set(ids)


def test_names_are_text_escaped_not_read_as_formulas_and_cut_where_long(drawn: dict[str, str]) -> None:
    shown = text_of(drawn["subreddits"])
    assert "&lt;b&gt;&amp;bold" in shown
    assert "$x_{1}$" in shown
    assert "日本" in shown
    assert "a_name_that_goes_on_and_on_…" in shown


def test_the_funnel_says_how_many_of_how_many(drawn: dict[str, str]) -> None:
    shown = text_of(drawn["funnel"])
    assert {"conversations: kept", "6 of 10 comments", "top level", "4"} <= set(shown)


def test_the_loss_is_beside_the_unigram_models_if_that_is_known(drawn: dict[str, str]) -> None:
    assert "unigram model: 5.900" in text_of(drawn["loss"])
    assert not any("unigram" in text for text in text_of(plots.loss_plot(CURVES, None)))


def test_many_steps_make_a_small_plot() -> None:
    steps = list(range(1, 200_001))
    losses = [5.0] * len(steps)
    assert len(plots.loss_plot({"loss": LossCurve(steps, losses, losses, losses)}, None)) < 60_000


def test_lengths_beyond_all_bins_of_one_character_are_counted_once() -> None:
    edges = plots._edges(1_000)
    assert plots._histogram(Distribution({0: 1, 1_000: 2, 999: 3}), edges)[-1] in (5, 2)
    assert sum(plots._histogram(Distribution({0: 1, 1_000: 2, 999: 3}), edges)) == 6


def test_a_distribution_is_drawn_up_to_where_it_is_told(drawn: dict[str, str]) -> None:
    shown = text_of(drawn["lines"])
    assert {"words a line", "lines", "10"} <= set(shown)
    assert not any("k" in text for text in shown)


def test_splits_are_counted_in_what_they_hold() -> None:
    assert "documents" in text_of(plots.split_plot({"train": (5, 2)}, "documents"))
