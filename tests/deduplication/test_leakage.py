from pathlib import Path

from tests.deduplication.made import example, write
from threadmill.cloud.work import finish
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.deduplicate import DeduplicateStage
from threadmill.deduplication.leakage import cross_split_duplicates
from threadmill.deduplication.signatures import SignaturesStage
from threadmill.engine.run import run_stage

TEXT = "what do you think of the new library that they have built beside the river this summer"


def leaking(folder: Path) -> str:
    """Conversations of which two examples of validation and test are in train as well."""
    near, far = TEXT.replace("summer", "spring"), "a text of its own, like no other that there is"
    return write(
        folder,
        {
            "train": [[example("a", 5, TEXT), example("b", 5, near)], [example("c", 5, TEXT)]],
            "validation": [[example("d", 1, near), example("e", 9, far)]],
            "test": [[], [example("f", 9, TEXT), example("g", 9, far)]],  # the copy within test is no leak from train
        },
    )


def test_examples_of_the_other_splits_that_train_has_too_are_counted(tmp_path: Path) -> None:
    conversations = leaking(tmp_path / "c")
    config, exact = DeduplicationConfig(), DeduplicationConfig(deduplication="exact")
    assert finish(cross_split_duplicates(conversations, config, "300MB", str(tmp_path))) == 2
    assert finish(cross_split_duplicates(conversations, exact, "300MB")) == 2
    run_stage(SignaturesStage(conversations), str(tmp_path / "s"), workers=1)
    run_stage(DeduplicateStage(conversations, str(tmp_path / "s"), (), config, "300MB"), str(tmp_path / "d"), workers=1)
    assert finish(cross_split_duplicates(str(tmp_path / "d"), config, "300MB")) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c", "d", "s"]


def test_a_dataset_without_train_or_without_other_splits_leaks_nothing(tmp_path: Path) -> None:
    for split in ("train", "test"):
        conversations = write(tmp_path / split, {split: [[example("a", 5, TEXT), example("b", 5, TEXT)]]})
        assert finish(cross_split_duplicates(conversations, DeduplicationConfig(), "300MB")) == 0
