from typing import Any


def test_newest_are_kept(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["checkpoints"]

    assert facts["kept"] == [30, 40, 50]
    assert [name for name in facts["files"] if name.endswith(".index")] == ["step-30.index", "step-40.index", "step-50.index"]
    assert len(facts["files"]) == 7


def test_newest_is_restored(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["checkpoints"]

    assert facts["of nothing"] == 0
    assert facts["newest"] == [50, 50.0]


def test_half_written_one_is_never_seen_and_removed(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["checkpoints"]

    assert facts["files after a kill"] == facts["files"]


def test_one_beyond_the_end_of_the_loss_log_is_passed_over(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["checkpoints"]["before the log's end"] == [40, 40.0]


def test_damaged_one_is_passed_over(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["checkpoints"]["newest is damaged"] == [40, 40.0]
