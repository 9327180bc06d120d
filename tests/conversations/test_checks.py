import hashlib
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.reports import made
from threadmill.conversations.checks import check_conversations
from threadmill.conversations.limits import ConversationLimits
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.digest import file_digest
from threadmill.datasets.gate import Check, Verdict
from threadmill.datasets.manifest import Field, FileEntry, Manifest, write_manifest
from threadmill.errors import ConfigError, InputError

SPLIT_SETTINGS = {"train_split": 0.8, "validation_split": 0.1, "test_split": 0.1}


def example(thread: str, **changed: str) -> dict[str, str]:
    return {"thread_id": thread, "context": "how are you?", "response": "very well", "context/0": "hello there", **changed}


def fair_splits(threads: int = 1000) -> dict[str, list[dict[str, str]]]:
    """8 in 10 threads train, 1 validation, 1 test; two examples a thread."""
    splits: dict[str, list[dict[str, str]]] = {"train": [], "validation": [], "test": []}
    for number in range(threads):
        split = {8: "validation", 9: "test"}.get(number % 10, "train")
        splits[split] += [example(f"t{number}"), example(f"t{number}")]
    return splits


def conversations_dataset(
    folder: Path, splits: Mapping[str, list[dict[str, str]]], *, read: int = 10_000, cut_at_tombstones: bool = True
) -> str:
    for name in ("threads", "conversations"):
        (folder / name).mkdir()
    write_manifest(str(folder / "threads"), Manifest("threads", "threads", 1, SPLIT_SETTINGS, (), (), (), Counters()))
    entries = []
    for split, rows in splits.items():
        path = folder / "conversations" / f"{split}-00000-of-00001.jsonl"
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        entries.append(FileEntry(path.name, len(rows), path.stat().st_size, file_digest(str(path))))
    kept = sum(len(rows) for rows in splits.values())
    manifest = Manifest(
        "conversations",
        "conversations",
        1,
        {"cut_at_tombstones": cut_at_tombstones},
        (Dataset.open(str(folder / "threads")).as_input(),),
        tuple(Field(name, "bytes") for name in ("context", "context/0", "response", "subreddit", "thread_id")),
        tuple(entries),
        Counters(read, kept, kept, {"top_level": read - kept}),
    )
    write_manifest(str(folder / "conversations"), manifest)
    return str(folder / "conversations")


def failures(checks: list[Check]) -> list[str]:
    return [check.measure for check in checks if check.verdict is Verdict.FAIL]


def by_measure(checks: list[Check]) -> dict[str, Check]:
    return {check.measure: check for check in checks}


def test_a_fair_dataset_passes_all_checks(tmp_path: Path) -> None:
    checks = check_conversations(conversations_dataset(tmp_path, fair_splits()), ConversationLimits())
    assert {check.verdict for check in checks} == {Verdict.PASS}
    assert by_measure(checks)["examples"].value == "2,000"
    assert by_measure(checks)["examples a comment"].value == "0.2 (10,000 comments)"
    assert by_measure(checks)["test of all threads"].value == "0.1 (100 threads)"


def test_a_thread_in_two_splits_is_named(tmp_path: Path) -> None:
    splits = fair_splits()
    splits["test"].append(example("t0"))
    checks = check_conversations(conversations_dataset(tmp_path, splits), ConversationLimits())
    assert failures(checks) == ["threads in two splits"]
    assert by_measure(checks)["threads in two splits"].value == "1 (such as t0)"


@pytest.mark.parametrize("feature", ["context", "response", "context/0"])
@pytest.mark.parametrize("mark", ["[deleted]", "[removed]", "[ Removed by Reddit ]"])
def test_a_tombstone_in_any_turn_fails(tmp_path: Path, feature: str, mark: str) -> None:
    splits = fair_splits(100)
    splits["validation"].append(example("t8", **{feature: mark}))
    checks = check_conversations(conversations_dataset(tmp_path, splits), ConversationLimits())
    assert failures(checks) == ["tombstones among the turns"]


def test_tombstones_are_not_judged_where_the_preset_leaves_them_in(tmp_path: Path) -> None:
    splits = fair_splits(100)
    splits["train"].append(example("t0", **{"context/0": "[deleted]"}))
    check = by_measure(
        check_conversations(conversations_dataset(tmp_path, splits, cut_at_tombstones=False), ConversationLimits())
    )["tombstones among the turns"]
    assert (check.value, check.verdict) == ("1", Verdict.NOT_JUDGED)


@pytest.mark.parametrize(("read", "comments_read"), [(500_000, None), (2_000, 500_000), (2_000, 100)])
def test_the_yield_is_judged_on_the_comments_named_or_else_read(tmp_path: Path, read: int, comments_read: int | None) -> None:
    uri = conversations_dataset(tmp_path, fair_splits(), read=read)
    assert failures(check_conversations(uri, ConversationLimits(), comments_read)) == ["examples a comment"]


def test_comments_that_are_only_context_do_not_lower_the_yield(tmp_path: Path) -> None:
    uri = conversations_dataset(tmp_path, fair_splits(), read=2_000)
    manifest = Dataset.open(uri).manifest
    counters = Counters(500_000, 2_000, 2_000, {"context_only": 498_000})
    write_manifest(uri, Manifest.from_json({**manifest.to_json(), "counters": counters.to_json()}))
    assert failures(check_conversations(uri, ConversationLimits())) == []


def test_splits_far_from_the_fractions_asked_for_fail(tmp_path: Path) -> None:
    splits = fair_splits()
    splits["test"] = splits["test"][:20]
    splits["train"] += [example(f"more{number}") for number in range(90)]
    checks = check_conversations(conversations_dataset(tmp_path, splits), ConversationLimits(max_split_deviation=0.0))
    assert failures(checks) == ["train of all threads", "test of all threads"]


def test_chance_in_few_threads_is_no_failure(tmp_path: Path) -> None:
    splits = {"train": [example(f"t{number}") for number in range(8)], "validation": [example("v")], "test": []}
    checks = check_conversations(conversations_dataset(tmp_path, splits, read=20), ConversationLimits())
    assert failures(checks) == []


def test_fractions_are_not_judged_once_the_threads_are_gone(tmp_path: Path) -> None:
    uri = conversations_dataset(tmp_path, fair_splits(100))
    (tmp_path / "threads" / "manifest.json").unlink()
    checks = check_conversations(uri, ConversationLimits())
    assert {by_measure(checks)[f"{split} of all threads"].verdict for split in ("train", "validation", "test")} == {
        Verdict.NOT_JUDGED
    }


def test_too_few_examples_fail(tmp_path: Path) -> None:
    uri = conversations_dataset(tmp_path, fair_splits(10))
    assert failures(check_conversations(uri, ConversationLimits(min_examples=21, min_yield=0.0))) == ["examples"]


def test_many_threads_are_told_apart(tmp_path: Path) -> None:
    threads = [hashlib.md5(str(number).encode()).hexdigest()[:8] for number in range(20_000)]
    splits = {"train": [example(thread) for thread in threads[:18_000]], "test": [example(thread) for thread in threads[18_000:]]}
    uri = conversations_dataset(tmp_path, splits, read=100_000)
    limits = ConversationLimits(max_split_deviation=0.5)
    assert by_measure(check_conversations(uri, limits))["train of all threads"].value == "0.9 (18,000 threads)"


def test_a_folder_without_dataset_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        check_conversations(str(tmp_path), ConversationLimits())


@pytest.mark.parametrize("wrong", [{"min_examples": 0}, {"min_yield": -1.0}, {"min_yield": 2.0}, {"max_split_deviation": 1.5}])
def test_limits_of_no_use_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ConversationLimits(**wrong)


def test_fractions_of_a_dataset_made_in_one_pass_stand_in_its_own_settings(tmp_path: Path) -> None:
    splits = fair_splits()
    splits["test"] = splits["test"][:20]
    uri = conversations_dataset(tmp_path, splits)
    manifest = Dataset.open(uri).manifest
    dump = tmp_path / "RC_2006-01.zst"
    dump.write_bytes(b"a dump")
    made = Manifest.from_json(
        {
            **manifest.to_json(),
            "config": {**manifest.config, **SPLIT_SETTINGS},
            "inputs": [{"name": dump.name, "digest": file_digest(str(dump)), "uri": str(dump)}],
        }
    )
    write_manifest(uri, made)
    assert failures(check_conversations(uri, ConversationLimits())) == ["test of all threads"]


def many(examples: int, **changed: Callable[[int], str]) -> list[dict[str, str]]:
    """Examples of ten subreddits with responses of 1 to 40 characters."""
    fields: dict[str, Callable[[int], str]] = {
        "subreddit": lambda number: f"sub{number % 10}",
        "response": lambda number: "r" * (number % 40 + 1),
        **changed,
    }
    return [example(f"t{number}", **{name: value(number) for name, value in fields.items()}) for number in range(examples)]


def drift(folder: Path, now: list[dict[str, str]], read: int = 10_000, limits: ConversationLimits | None = None) -> list[Check]:
    for name in ("before", "now"):
        (folder / name).mkdir()
    previous = conversations_dataset(folder / "before", {"train": many(2000)})
    uri = conversations_dataset(folder / "now", {"train": now}, read=read)
    alone = check_conversations(uri, ConversationLimits())
    checks = check_conversations(uri, limits or ConversationLimits(), previous=previous)
    assert [check.measure for check in checks[: len(alone)]] == [check.measure for check in alone]
    return checks[len(alone) :]


def test_a_month_like_the_one_before_shows_no_drift(tmp_path: Path) -> None:
    checks = drift(tmp_path, many(2100), read=10_600)
    assert {check.verdict for check in checks} == {Verdict.PASS}
    assert [check.measure for check in checks] == [
        "examples a comment, change",
        *(
            f"{name}, {number}, change"
            for name in ("context characters", "response characters", "turns")
            for number in ("mean", "median", "95th percentile")
        ),
        "subreddits, distance from the earlier",
    ]


@pytest.mark.parametrize(
    ("changed", "read", "failing"),
    [
        ({}, 30_000, ["examples a comment, change"]),
        (
            {"response": lambda number: "r" * (number % 40 + 21)},
            10_000,
            [f"response characters, {number}, change" for number in ("mean", "median", "95th percentile")],
        ),
        ({"context": lambda number: "c" * 400 if number % 10 == 0 else "how are you?"}, 10_000, None),
        ({"subreddit": lambda number: f"sub{number % 4 + 8}"}, 10_000, ["subreddits, distance from the earlier"]),
    ],
    ids=["fewer examples a comment", "longer responses", "some very long contexts", "other subreddits"],
)
def test_each_drift_fails_its_own_check(
    tmp_path: Path, changed: dict[str, Callable[[int], str]], read: int, failing: list[str] | None
) -> None:
    expected = failing or [f"context characters, {number}, change" for number in ("mean", "95th percentile")]
    assert failures(drift(tmp_path, many(2000, **changed), read)) == expected


def test_drift_is_not_judged_between_few_examples(tmp_path: Path) -> None:
    checks = drift(tmp_path, [example(f"t{number}", response="r" * 500, subreddit="new") for number in range(900)], read=1000)
    assert {check.verdict for check in checks} == {Verdict.NOT_JUDGED}
    assert by_measure(checks)["subreddits, distance from the earlier"].value == "1 (total variation; under 1,000 examples)"


def test_a_yield_that_broke_down_is_judged_though_it_left_few_examples(tmp_path: Path) -> None:
    checks = by_measure(drift(tmp_path, many(300), read=10_000))
    assert checks["examples a comment, change"].verdict is Verdict.FAIL
    assert checks["turns, mean, change"].verdict is Verdict.NOT_JUDGED


def test_chance_among_many_small_subreddits_is_no_drift(tmp_path: Path) -> None:
    draw = random.Random(3)
    limits = ConversationLimits(max_subreddit_distance=0.05)
    halves = [{"train": many(1500, subreddit=lambda _: f"rare{draw.randrange(3000)}")} for _ in range(2)]
    uris = []
    for name, half in zip(("one", "two"), halves, strict=True):
        (tmp_path / name).mkdir()
        uris.append(conversations_dataset(tmp_path / name, half))
    found = by_measure(check_conversations(uris[0], limits, previous=uris[1]))["subreddits, distance from the earlier"]
    assert found.verdict is Verdict.PASS
    assert float(found.value.split()[0]) > 0.3


def near_duplicates_across_splits(folder: Path, **changed: Any) -> str:
    """A conversations dataset whose test split has, but for a word, an example of train."""
    text = "the boat that I built in the shed behind our house went down in the harbour on its first day out"
    responses = {"train": "what a pity, was it insured, or is the money gone for good?"}
    responses["test"] = "what a pity, was it insured, or is the money gone for ever?"
    shards = {
        split: [[made.example(number, context=text, response=response, created_utc="1136073600")]]
        for number, (split, response) in enumerate(responses.items())
    }
    return made.write_conversations(folder, shards, counters=Counters(10, 2, 2, {"top_level": 8}), **changed)


def test_near_duplicates_across_splits_fail_where_they_are_looked_for(tmp_path: Path) -> None:
    uri = near_duplicates_across_splits(tmp_path / "c")
    found = {limit: by_measure(check_conversations(uri, ConversationLimits(max_near_duplicates=limit))) for limit in (-1, 0, 1)}
    name = "near-duplicates across splits"
    assert name not in found[-1]
    assert (found[0][name].value, found[0][name].verdict) == ("1", Verdict.FAIL)
    assert found[1][name].verdict is Verdict.PASS


@pytest.mark.parametrize(("deduplication", "judged"), [("near", True), ("exact", False), ("none", False)])
def test_a_dataset_without_near_duplicates_must_have_none(tmp_path: Path, deduplication: str, judged: bool) -> None:
    uri = near_duplicates_across_splits(tmp_path / "c", stage="deduplicate", config={"deduplication": deduplication})
    assert ("near-duplicates across splits" in failures(check_conversations(uri, ConversationLimits()))) == judged


def test_what_was_deduplicated_is_judged_as_what_it_was_made_from(tmp_path: Path) -> None:
    source = conversations_dataset(tmp_path, fair_splits(100), read=1000, cut_at_tombstones=False)
    train = [made.example(number, response="[deleted]") for number in range(100)]
    uri = made.write_conversations(
        tmp_path / "kept",
        {"train": [train]},
        stage="deduplicate",
        counters=Counters(200, 100, 100, {"exact_duplicate": 100}),
        config={"deduplication": "exact"},
        made_from=[Path(source)],
    )
    found = by_measure(check_conversations(uri, ConversationLimits()))
    assert found["examples a comment"].value == "0.1 (1,000 comments)"
    assert found["tombstones among the turns"].verdict is Verdict.NOT_JUDGED
    assert found["train of all threads"].limit == "0.58 to 1"
    (tmp_path / "conversations" / "manifest.json").unlink()
    gone = by_measure(check_conversations(uri, ConversationLimits()))
    assert gone["examples a comment"].value == "nan (what it was made from is gone)"
    assert failures(list(gone.values())) == []


def test_the_yield_of_one_pass_is_that_of_the_comments_it_could_answer(tmp_path: Path) -> None:
    dropped = {"malformed JSON": 3, "submission": 20, "taken_down": 4, "duplicate": 6, "context_only": 50, "top_level": 15}
    uri = made.write_conversations(
        tmp_path / "c",
        {"train": [[made.example(1), made.example(2)]]},
        counters=Counters(100, 2, 2, dropped),
        dead_letters={"dead_letters-RC-00000-of-00001.jsonl": (b"{}\n{}\n{}\n", 3)},
    )
    assert by_measure(check_conversations(uri, ConversationLimits()))["examples a comment"].value == "0.1176 (17 comments)"
