import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.conversations.worlds import JANUARY, comment, make_comments, write_dump
from tests.takedown.test_refresh import ledger as write_ledger
from threadmill.conversations.config import ConversationsConfig, ThreadsConfig, find_preset
from threadmill.conversations.rewriting import read_all
from threadmill.conversations.stage import ConversationsStage
from threadmill.conversations.threads import ThreadsStage
from threadmill.corpora.reddit.config import IngestConfig
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.lock import writer_lock
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.deduplicate import DeduplicateStage
from threadmill.deduplication.signatures import SignaturesStage
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, DatasetLockedError, InputError, IntegrityError
from threadmill.takedown.ledger import Ledger, author_hash
from threadmill.takedown.release import datasets_of, made_from_old_releases, take_down

AUTHORS = ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay", None, "[deleted]"]
SHARDS: dict[str, Any] = {"num_shards_train": 4, "num_shards_validation": 1, "num_shards_test": 1}


def threads(count: int) -> list[dict[str, Any]]:
    """Threads of chains that branch, by few authors."""
    made = []
    for thread in range(count):
        for number in range(3 + thread % 9):
            name = f"c{thread:x}x{number:x}"
            parent = f"t1_c{thread:x}x{number - 1 - number % 2:x}" if number > 1 else f"t3_t{thread}"
            author = AUTHORS[(thread * 7 + number) % len(AUTHORS)]
            body = f"text number {number} of thread {thread}, as it was written"
            made.append(comment(name, parent, f"t{thread}", body, author=author, created_utc=JANUARY + number))
    return made


def entries() -> list[str]:
    return ["id,t1_c3x2", "id,t1_c5x0", "id,t3_t7", "id,t1_c8x1", f"author,{author_hash('fay')}"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release: comments, threads, conversations."""
    folder = tmp_path_factory.mktemp("world")
    make_release(folder, make_comments(folder, threads(40)))
    return folder


def make_release(folder: Path, comments: str, ledger: str = "", format: str = "tfrecord") -> None:
    run_stage(ThreadsStage((comments,), ThreadsConfig(**SHARDS), "300MB", ledger), str(folder / "threads"), workers=1)
    config = ConversationsConfig(parent_depth=30, format=format)  # so that an example shows all its turns
    run_stage(ConversationsStage(str(folder / "threads"), config), str(folder / "conversations"), workers=1)


@pytest.fixture
def release(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world, tmp_path / "release"))


def load(folder: Path, *lines: str) -> Ledger:
    return Ledger.load(write_ledger(folder, *(lines or entries())))


def rows(uri: Path, split: str | None = None) -> list[dict[str, Any]]:
    """The records of a dataset, in an order of their own."""
    dataset = Dataset.open(str(uri))
    features = [field.name for field in dataset.manifest.schema]
    read = pl.read_parquet if dataset.manifest.stage in ("ingest", "threads") else lambda path: read_all(path, features)
    found = [row for shard in dataset.shards(split) for row in read(dataset.path(shard)).to_dicts()]
    return sorted(found, key=repr)


@pytest.mark.parametrize("format", ["tfrecord", "jsonl", "parquet", "parlai"])
def test_what_is_left_is_what_a_run_with_the_ledger_makes(world: Path, tmp_path: Path, format: str) -> None:
    release, fresh = Path(shutil.copytree(world, tmp_path / "release")), tmp_path / "fresh"
    make_release(release, str(release / "comments"), format=format)
    make_release(fresh, str(world / "comments"), write_ledger(tmp_path, *entries()), format)
    for name in ("comments", "threads", "conversations"):
        found = take_down(str(release / name), load(tmp_path), workers=1)
        assert found.rewritten > 0
        assert found.dropped > 0
        assert verify(str(release / name)) == []
    for split in ("train", "validation", "test"):
        assert rows(release / "conversations", split) == rows(fresh / "conversations", split)
        assert rows(release / "threads", split) == rows(fresh / "threads", split)
    assert Dataset.open(str(release / "conversations")).manifest.statistics["takedowns"][0]["cut"] > 3
    ingested = tmp_path / "ingested"
    sources = (str(world / "source0.ndjson"),)
    run_stage(IngestStage(sources, ledger=write_ledger(tmp_path, *entries())), str(ingested), workers=1)
    assert rows(release / "comments") == rows(ingested)
    statistics, wanted = (Dataset.open(str(uri)).manifest.statistics for uri in (release / "comments", ingested))
    assert {name: value for name, value in statistics.items() if name in ("months", "removals", "body_bytes")} == {
        name: value for name, value in wanted.items() if name in ("months", "removals", "body_bytes")
    }


def tangled(count: int) -> list[dict[str, Any]]:
    """As `threads`, with submissions, and with texts that are gone or break a rule."""
    bodies = {2: "[removed]", 5: "look at https://example.com/a", 8: "(in brackets)"}
    made = threads(count)
    for number, value in enumerate(made):
        value["body"] = bodies.get(number % 11, value["body"])
    titles = [{"id": f"t{thread}", "title": f"the title of thread {thread}"} for thread in range(0, count, 2)]
    return made + [value | {"author": "Sue", "subreddit": "of it", "created_utc": JANUARY} for value in titles]


@pytest.mark.parametrize(("preset", "adds"), [("default", False), ("title", False), ("blender", True), ("dialogpt", True)])
def test_a_run_differs_by_what_examples_do_not_tell(tmp_path: Path, preset: str, adds: bool) -> None:
    comments = make_comments(tmp_path, tangled(60))
    lines = ["id,t1_c3x2", "id,t3_t8", "id,t3_t14", *(f"id,t1_c{thread:x}x{thread % 5:x}" for thread in range(20, 60))]
    ledger = write_ledger(tmp_path, *lines)
    config = replace(find_preset(preset).conversations, parent_depth=3)
    for name, given in (("release", ""), ("run", ledger)):
        threads = str(tmp_path / name / "threads")
        run_stage(ThreadsStage((comments,), ThreadsConfig(**SHARDS), "300MB", given), threads, workers=1)
        run_stage(ConversationsStage(threads, config), str(tmp_path / name / "conversations"), workers=1)
    take_down(str(tmp_path / "release" / "conversations"), Ledger.load(ledger), workers=1)
    left, made = ({row["example_id"]: row for row in rows(tmp_path / name / "conversations")} for name in ("release", "run"))
    assert left.keys() <= made.keys()
    assert bool(made.keys() - left.keys()) == adds
    roots = {(row["root_kind"], made[name]["root_kind"]) for name, row in left.items() if row != made[name]}
    first = "submission" if config.titles else "top_level"
    assert roots <= {(first, "orphan"), (first, "top_level"), ("top_level", "orphan")}
    assert (first, "orphan") in roots
    assert all(row | {"root_kind": made[name]["root_kind"]} == made[name] for name, row in left.items())


def test_only_the_shards_that_hold_it_are_written_and_the_manifest_tells(release: Path, tmp_path: Path) -> None:
    uri = release / "conversations"
    before = Dataset.open(str(uri)).manifest
    victim = rows(uri, "train")[0]
    ledger = load(tmp_path, f"id,{victim['example_id']}")
    outcome = take_down(str(uri), ledger, workers=1)
    after = Dataset.open(str(uri)).manifest
    changed = [pair for pair in zip(before.shards, after.shards, strict=True) if pair[0] != pair[1]]
    assert (outcome.rewritten, outcome.shards, len(changed)) == (1, 6, 1)
    note = after.statistics["takedowns"]
    changes = {"dropped": outcome.dropped, "cut": outcome.cut, "emptied": 0}
    assert note == [{"ledger": ledger.digest, **changes, "before": before.digest}]
    assert after.counters.read == before.counters.read
    assert after.counters.written == before.counters.written - outcome.dropped == after.records
    assert after.counters.dropped["taken_down"] == outcome.dropped
    after.counters.check("after")
    assert after.statistics["examples"]["train"] == before.statistics["examples"]["train"] - outcome.dropped
    assert after.digest != before.digest


def test_a_second_run_finds_nothing_to_do_and_another_ledger_adds_to_the_first(release: Path, tmp_path: Path) -> None:
    uri = str(release / "threads")
    take_down(uri, load(tmp_path), workers=1)
    first = Dataset.open(uri).manifest
    again = take_down(uri, load(tmp_path), workers=1)
    assert (again.dropped, again.cut, again.rewritten) == (0, 0, 0)
    assert Dataset.open(uri).manifest.to_json() == first.to_json()
    more = take_down(uri, load(tmp_path, "id,c1x0"), workers=1)
    second = Dataset.open(uri).manifest
    assert more.dropped == 1
    assert [note["before"] for note in second.statistics["takedowns"]][1] == first.digest
    assert second.counters.dropped["taken_down"] == first.counters.dropped["taken_down"] + 1


@pytest.mark.parametrize("format", ["tfrecord", "jsonl", "parquet", "parlai"])
def test_a_release_may_lose_all_its_examples(world: Path, tmp_path: Path, format: str) -> None:
    make_release(tmp_path, str(world / "comments"), format=format)
    uri = str(tmp_path / "conversations")
    names = [f"author,{author_hash(name)}" for name in AUTHORS if name and name != "[deleted]"]
    comments = [f"id,{row['id']}" for row in rows(world / "comments") if row["author"] in (None, "[deleted]")]
    take_down(uri, load(tmp_path, *names, *comments), workers=1)
    assert (Dataset.open(uri).manifest.records, rows(Path(uri))) == (0, [])
    assert verify(uri) == []
    assert take_down(uri, load(tmp_path), workers=1).rewritten == 0


def test_two_ledgers_in_any_order_leave_what_both_together_leave(release: Path, tmp_path: Path) -> None:
    left: list[list[dict[str, Any]]] = []
    for order in ([entries()], [entries()[:2], entries()[2:]], [entries()[2:], entries()[:2]]):
        uri = shutil.copytree(release / "conversations", tmp_path / f"{len(left)}")
        for lines in order:
            take_down(str(uri), load(tmp_path, *lines), workers=1)
        left.append(rows(Path(uri)))
    assert left[0] == left[1] == left[2]


def test_dead_letters_lose_what_they_quote_and_keep_their_places(tmp_path: Path) -> None:
    lost = comment("lost", "t3_t", body="a text of the wrong month", author="Ann", created_utc=JANUARY - 1)
    source = Path(write_dump(tmp_path / "RC_2006-01.ndjson", [lost, *threads(3)]))
    source.write_bytes(b'{"author": "Bob", "body": "a line that bre\n' + source.read_bytes())
    uri = str(tmp_path / "comments")
    run_stage(IngestStage((str(source),), IngestConfig(max_bad_fraction=1.0)), uri, workers=1)
    (before,) = letters(uri)
    assert "Ann" in before[1]["text"]
    assert take_down(uri, Ledger(), workers=1).emptied == 0
    ledger = load(tmp_path, f"author,{author_hash('ann')}")
    assert take_down(uri, ledger, workers=1, dry=True).emptied == 2
    assert letters(uri) == [before]
    outcome = take_down(uri, ledger, workers=1)
    assert (outcome.emptied, outcome.rewritten, outcome.shards) == (2, 1, 1)
    assert letters(uri) == [[letter | {"detail": "", "text": ""} for letter in before]]
    assert verify(uri) == []
    manifest = Dataset.open(uri).manifest
    assert take_down(uri, load(tmp_path, "id,t1_zzz"), workers=1).emptied == 0
    assert Dataset.open(uri).manifest.to_json() == manifest.to_json()


def letters(uri: str) -> list[list[dict[str, Any]]]:
    dataset = Dataset.open(uri)
    files = [Path(dataset.path(entry)).read_text() for entry in dataset.manifest.dead_letters]
    return [[json.loads(line) for line in text.splitlines()] for text in files]


def test_a_dry_run_tells_the_same_and_changes_nothing(release: Path, tmp_path: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}

    before = content()
    planned = [take_down(uri, load(tmp_path), workers=1, dry=True) for uri in datasets_of([str(release)])]
    assert content() == before
    assert [take_down(uri, load(tmp_path), workers=1) for uri in datasets_of([str(release)])] == planned
    assert [Path(found.uri).name for found in planned] == ["comments", "conversations", "threads"]


def test_bytes_are_equal_for_any_number_of_workers(release: Path, tmp_path: Path) -> None:
    other = shutil.copytree(release, tmp_path / "other")
    for folder, workers in ((release, 1), (other, 2)):
        take_down(str(folder / "conversations"), load(tmp_path), workers=workers)
    assert (
        Dataset.open(str(release / "conversations")).manifest.shards == Dataset.open(str(other / "conversations")).manifest.shards
    )


def test_deduplicated_conversations_are_taken_down_and_what_else_was_made_is_named(release: Path, tmp_path: Path) -> None:
    conversations, signatures = str(release / "conversations"), str(release / "signatures")
    config = DeduplicationConfig(deduplication="exact")
    run_stage(SignaturesStage(conversations, config), signatures, workers=1)
    run_stage(DeduplicateStage(conversations, signatures, (), config, "300MB"), str(release / "unique"), workers=1)
    assert made_from_old_releases([str(release)]) == []
    for uri in datasets_of([str(release)]):
        take_down(uri, load(tmp_path), workers=1)
    assert rows(release / "unique") == rows(release / "conversations")
    assert made_from_old_releases([str(release)]) == [signatures]
    assert made_from_old_releases([conversations]) == [signatures]
    run_stage(SignaturesStage(conversations, config), signatures, workers=1)
    assert made_from_old_releases([conversations]) == []


def test_what_is_no_dataset_of_these_is_refused(release: Path, tmp_path: Path) -> None:
    run_stage(SignaturesStage(str(release / "conversations")), str(release / "signatures"), workers=1)
    with pytest.raises(InputError, match="stage signatures"):
        datasets_of([str(release / "signatures")])
    with pytest.raises(InputError, match="holds none"):
        datasets_of([str(tmp_path / "nowhere")])


def test_one_that_another_process_writes_is_left_alone(release: Path, tmp_path: Path) -> None:
    with writer_lock(str(release / "threads")), pytest.raises(DatasetLockedError):
        take_down(str(release / "threads"), load(tmp_path), workers=1)


class _Killed(BaseException):
    pass


class _Guard:
    """Once ``after`` changes to files are done, no other can be: what is on the disk is what a kill would leave."""

    def __init__(self) -> None:
        self.active, self.left = False, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active or not self._changes(event, arguments):
            return
        if self.left <= 0:
            raise _Killed
        self.left -= 1

    def _changes(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if str(arguments[0] if arguments else "").endswith(".lock"):  # the kernel's to release
            return False
        writes = event == "open" and isinstance(arguments[1], str) and "r" not in arguments[1]
        return writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


@pytest.fixture(scope="module")
def guard() -> Iterator[_Guard]:
    made = _Guard()
    sys.addaudithook(made)
    yield made
    made.active = False


def interrupted(source: Path, folder: Path, ledger: Ledger, guard: _Guard, moment: int) -> bool:
    """Whether a takedown in a copy of ``source`` was killed, after ``moment`` changes to files."""
    shutil.copytree(source, folder)
    guard.active, guard.left = True, moment
    try:
        take_down(str(folder), ledger, workers=1)
    except _Killed:
        return True
    finally:
        guard.active = False
    return False


def test_killed_at_any_moment_it_leaves_the_old_release_or_one_that_is_mended(
    release: Path, tmp_path: Path, guard: _Guard
) -> None:
    ledger, source = load(tmp_path), release / "conversations"
    undisturbed = tmp_path / "undisturbed" / "conversations"
    assert not interrupted(source, undisturbed, ledger, guard, 1000)
    digests = [Dataset.open(str(folder)).manifest.digest for folder in (source, undisturbed)]
    seen, moment, killed = set(), 0, True
    while killed:
        folder = tmp_path / f"{moment}" / "conversations"
        killed = interrupted(source, folder, ledger, guard, moment)
        seen.add(state(folder, digests))
        (found,) = datasets_of([str(tmp_path / f"{moment}")])
        take_down(found, ledger, workers=1)
        assert Dataset.open(found).manifest.digest == digests[1]
        assert verify(found) == []
        assert {path.name for path in folder.iterdir()} == {path.name for path in source.iterdir()}
        moment += 1
    assert seen == {"old", "unfinished", "new"}
    assert moment > 12


def state(folder: Path, digests: Sequence[str]) -> str:
    if not (folder / "manifest.json").exists():
        return "unfinished"
    assert verify(str(folder)) == []
    return ("old", "new")[digests.index(Dataset.open(str(folder)).manifest.digest)]


def test_a_dataset_that_was_made_again_meanwhile_is_not_mixed_with_the_interrupted_one(
    release: Path, tmp_path: Path, guard: _Guard
) -> None:
    folders = [tmp_path / f"{moment}" for moment in range(30)]
    for moment, folder in enumerate(folders):
        interrupted(release / "conversations", folder, load(tmp_path), guard, moment)
    unfinished = [folder for folder in folders if not (folder / "manifest.json").exists()]
    folder = unfinished[len(unfinished) // 2]
    with pytest.raises(InputError, match="without --dry-run"):
        take_down(str(folder), load(tmp_path), dry=True)
    config = ConversationsConfig(parent_depth=29)
    made = run_stage(ConversationsStage(str(release / "threads"), config), str(folder), workers=1)
    take_down(str(folder), load(tmp_path, "id,t1_zzz"), workers=1)
    assert Dataset.open(str(folder)).manifest.digest == made.digest
    assert verify(str(folder)) == []
    assert not (folder / ".takedown").exists()


def test_files_that_changed_after_the_interruption_are_told(release: Path, tmp_path: Path, guard: _Guard) -> None:
    folders = [tmp_path / f"{moment}" for moment in range(30)]
    for moment, folder in enumerate(folders):
        interrupted(release / "conversations", folder, load(tmp_path), guard, moment)
    folder = next(folder for folder in folders if not (folder / "manifest.json").exists())
    for path in folder.rglob("*.tfrecord"):
        path.write_bytes(b"")
    with pytest.raises(IntegrityError, match="run the dataset's stage again"):
        take_down(str(folder), load(tmp_path), workers=1)


def test_datasets_elsewhere_are_refused_with_the_remedy() -> None:
    for function in (lambda uri: datasets_of([uri]), lambda uri: take_down(uri, Ledger())):
        with pytest.raises(ConfigError, match=r"gs://b/data is not on this machine.*set THREADMILL_LEDGER"):
            function("gs://b/data")
