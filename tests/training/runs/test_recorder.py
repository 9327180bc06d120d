from typing import Any


def test_steps_are_logged_with_the_shortest_digits(tensorflow_facts: dict[str, Any]) -> None:
    line = '{"step":1,"loss":1.1,"masked_lm_loss":0.7,"next_sentence_loss":0.4}\n'

    assert tensorflow_facts["recorder"]["log"] == line  # and not the step that diverged


def test_loss_of_one_part_is_told_once(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["recorder"]["masked LM alone"] == '{"step":1,"loss":1.1}\n'


def test_divergence_is_told_with_its_step_and_the_last_good_checkpoint(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["recorder"]

    assert facts["without a checkpoint"].startswith(
        "DivergenceError: training diverged at step 2: the loss is nan, the gradient's norm nan (there is no checkpoint before"
    )
    assert "the loss is 0.9, the gradient's norm inf (the last good checkpoint is of step 1); lower the" in facts["with one"]
