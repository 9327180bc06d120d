import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.errors import IntegrityError
from threadmill.reports.training import LossCurve, beside_baselines, read_evaluation, read_losses, unigram_loss


def curve(losses: list[float]) -> LossCurve:
    return LossCurve(list(range(1, len(losses) + 1)), losses, losses, losses)


def test_losses_are_read_by_name_in_the_order_of_their_steps(tmp_path: Path) -> None:
    lines = ['{"step":2,"loss":4.5,"masked_lm_loss":4,"rate":0.1}', '{"step":1,"loss":5,"masked_lm_loss":4.25,"rate":0.1}']
    (tmp_path / "losses.jsonl").write_text("\n".join(lines))
    losses = read_losses(str(tmp_path))
    assert list(losses) == ["loss", "masked_lm_loss"]
    assert (losses["loss"].steps, losses["loss"].losses) == ([1, 2], [5.0, 4.5])
    assert losses["masked_lm_loss"].losses == [4.25, 4.0]


def test_validation_has_a_curve_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "losses.jsonl").write_text('{"step":1,"loss":5}\n{"step":2,"loss":4.5}\n')
    (tmp_path / "validation.jsonl").write_text('{"step":2,"loss":4.75}\n')
    losses = read_losses(str(tmp_path))
    assert list(losses) == ["loss", "validation_loss"]
    assert (losses["validation_loss"].steps, losses["validation_loss"].losses) == ([2], [4.75])


def test_a_model_without_losses_has_no_curve(tmp_path: Path) -> None:
    assert read_losses(str(tmp_path)) == {}
    (tmp_path / "losses.jsonl").touch()
    assert read_losses(str(tmp_path)) == {}


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


def test_the_unigram_baseline_is_found_by_name() -> None:
    assert unigram_loss({"masked_loss": 3.0, "unigram_loss": 5.9, "unigram_accuracy": 0.1}) == 5.9
    assert unigram_loss({"baselines.unigram_loss": 5.8}) == 5.8
    assert unigram_loss({"masked_loss": 3.0, "unigram_accuracy": 0.1}) is None


def test_baselines_stand_beside_what_they_are_compared_with() -> None:
    numbers = {"masked_loss": 3.0, "unigram_loss": 5.9, "next_sentence_accuracy": 0.6, "majority_accuracy": 0.5, "bleu": 1.0}
    assert beside_baselines(numbers) == [("masked_loss", 3.0, 5.9), ("next_sentence_accuracy", 0.6, 0.5), ("bleu", 1.0, None)]


def test_a_conversational_models_numbers_stand_beside_the_unigram_model_and_chance() -> None:
    numbers = {"response_perplexity": 90.0, "unigram_perplexity": 300.0, "ranking_accuracy": 0.2, "ranking_chance": 0.01}
    assert beside_baselines(numbers) == [("response_perplexity", 90.0, 300.0), ("ranking_accuracy", 0.2, 0.01)]


def test_a_baseline_with_nothing_beside_it_is_shown_by_itself() -> None:
    assert beside_baselines({"unigram_accuracy": 0.1, "masked_loss": 3.0}) == [
        ("unigram_accuracy", 0.1, None),
        ("masked_loss", 3.0, None),
    ]


def test_a_run_without_next_sentence_has_one_curve_and_its_scores_beside_their_baselines(tmp_path: Path) -> None:
    (tmp_path / "losses.jsonl").write_text('{"step":1,"loss":5}\n{"step":2,"loss":4.5}\n')
    scores = {"masked_loss": 4.4, "masked_accuracy": 0.2, "unigram_loss": 5.9, "unigram_accuracy": 0.1, "masked_tokens": 7}
    (tmp_path / "evaluation.json").write_text(json.dumps(scores))

    assert {name: curve.losses for name, curve in read_losses(str(tmp_path)).items()} == {"loss": [5.0, 4.5]}
    assert beside_baselines(read_evaluation(str(tmp_path))) == [
        ("masked_loss", 4.4, 5.9),
        ("masked_accuracy", 0.2, 0.1),
        ("masked_tokens", 7, None),
    ]
