import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.errors import IntegrityError
from threadmill.reports.training import LossCurve, read_evaluation, read_losses, unigram_loss


def curve(losses: list[float]) -> LossCurve:
    return LossCurve(list(range(1, len(losses) + 1)), losses, losses, losses)


def test_losses_are_read_in_the_order_of_their_steps(tmp_path: Path) -> None:
    (tmp_path / "losses.jsonl").write_text('{"step":2,"loss":4.5}\n{"step":1,"loss":5,"rate":0.1}\n')
    losses = read_losses(str(tmp_path))
    assert losses is not None
    assert (losses.steps, losses.losses) == ([1, 2], [5.0, 4.5])


def test_a_model_without_losses_has_no_curve(tmp_path: Path) -> None:
    assert read_losses(str(tmp_path)) is None
    (tmp_path / "losses.jsonl").touch()
    assert read_losses(str(tmp_path)) is None


@pytest.mark.parametrize(
    "content", ['{"step":1,"loss":', "[1, 2]\n", '{"step":1}\n', '{"loss":1}\n', '{"step":"one","loss":2}\n']
)
def test_lines_that_are_no_losses_are_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "losses.jsonl").write_text(content)
    with pytest.raises(IntegrityError, match=r"losses\.jsonl"):
        read_losses(str(tmp_path))


@given(st.lists(st.floats(0, 20), min_size=1, max_size=300), st.integers(1, 40))
def test_a_thinned_curve_keeps_extremes_and_has_no_more_points_than_asked(losses: list[float], points: int) -> None:
    thin = curve(losses).thinned(points)
    assert len(thin.steps) <= points
    assert min(thin.lowest) == min(losses)
    assert max(thin.highest) == max(losses)
    assert all(low - 1e-9 <= mean <= high + 1e-9 for low, mean, high in zip(thin.lowest, thin.losses, thin.highest, strict=True))


def test_a_thinned_curve_shows_means_at_mean_steps() -> None:
    assert curve([4.0, 2.0, 3.0, 1.0, 9.0]).thinned(3) == LossCurve([1, 3, 5], [3.0, 2.0, 9.0], [2.0, 1.0, 9.0], [4.0, 3.0, 9.0])


def test_a_short_curve_is_left_as_it_is() -> None:
    assert curve([3.0, 2.0]).thinned(2) == curve([3.0, 2.0])


def test_all_numbers_of_an_evaluation_are_read_whatever_their_names(tmp_path: Path) -> None:
    value = {"masked_accuracy": 0.2, "done": True, "note": "x", "splits": {"test": {"perplexity": 41}}, "list": [1], "none": None}
    (tmp_path / "evaluation.json").write_text(json.dumps(value))
    assert read_evaluation(str(tmp_path)) == {"masked_accuracy": 0.2, "splits.test.perplexity": 41}


def test_no_evaluation_has_no_numbers(tmp_path: Path) -> None:
    assert read_evaluation(str(tmp_path)) == {}


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_an_evaluation_that_is_no_object_is_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"evaluation\.json"):
        read_evaluation(str(tmp_path))


@pytest.mark.parametrize(
    ("numbers", "baseline"),
    [
        ({"loss": 3.0, "unigram_loss": 5.9}, 5.9),
        ({"baselines.unigram.accuracy": 0.1, "baselines.unigram.loss": 5.8}, 5.8),
        ({"loss": 3.0, "unigram_accuracy": 0.1}, None),
        ({}, None),
    ],
)
def test_the_unigram_baseline_is_found_by_name(numbers: dict[str, float], baseline: float | None) -> None:
    assert unigram_loss(numbers) == baseline
