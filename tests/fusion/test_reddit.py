import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.worlds import JANUARY, Raw, comment, worlds, write_dump
from threadmill.conversations import placement, thread_shards
from threadmill.conversations.config import ConversationsConfig, ThreadsConfig, find_preset
from threadmill.conversations.stage import ConversationsStage
from threadmill.conversations.threads import ThreadsStage
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.sample import write_sample
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage
from threadmill.errors import InputError
from threadmill.fusion.reddit import RedditConfig, RedditStage
from threadmill.fusion.spool import HELD_ROWS
from threadmill.takedown.ledger import author_hash

DECEMBER, FEBRUARY = JANUARY - 20 * 86_400, JANUARY + 31 * 86_400
ALL_TRAIN = {"train_split": 1.0, "validation_split": 0.0, "test_split": 0.0}


def configured(preset: str, **changed: Any) -> RedditConfig:
    chosen, lenient = find_preset(preset), {"max_bad_fraction": 1.0, "merge_dumps": True}
    return RedditConfig(**{**asdict(chosen.threads), **asdict(chosen.conversations), **lenient, **changed})


def part_of(config: RedditConfig, kind: type) -> Any:
    return kind(**{field.name: getattr(config, field.name) for field in fields(kind)})


def in_one_pass(
    folder: Path,
    sources: Sequence[str],
    config: RedditConfig,
    workers: int = 2,
    held_rows: int = HELD_ROWS,
    ledger: str = "",
) -> Manifest:
    uri = str(folder / "conversations")
    manifest = run_stage(RedditStage(tuple(sources), config, workers, held_rows, ledger), uri)
    assert verify(uri) == []
    assert sorted(path.name for path in Path(uri).iterdir()) == sorted(
        ["manifest.json", *(file.name for file in (*manifest.shards, *manifest.dead_letters))]
    )
    return manifest


def in_stages(
    folder: Path, sources: Sequence[str], config: RedditConfig, ledger: str = ""
) -> tuple[Manifest, Manifest, Manifest]:
    """The manifests of comments, threads and conversations; what is there already is not made again."""
    comments, threads, conversations = (str(folder / name) for name in ("comments", "threads", "conversations"))
    partly = {"allow_partial": True}
    return (
        run_stage(IngestStage(tuple(sources), config.ingest(), ledger), comments, workers=1),
        run_stage(ThreadsStage((comments,), part_of(config, ThreadsConfig), "300MB", ledger), threads, workers=1, **partly),
        run_stage(ConversationsStage(threads, part_of(config, ConversationsConfig)), conversations, workers=1, **partly),
    )


def assert_same(found: Manifest, staged: tuple[Manifest, Manifest, Manifest]) -> None:
    """The same shards, in the same order, and a funnel that is those of the stages in one."""
    comments, threads, conversations = staged
    assert found.shards == conversations.shards
    assert found.schema == conversations.schema
    assert found.statistics == conversations.statistics
    assert (found.dead_letters, found.partial) == (comments.dead_letters, conversations.partial)
    dropped = Counter(comments.counters.dropped) + Counter(threads.counters.dropped) + Counter(conversations.counters.dropped)
    kept = conversations.counters.kept
    assert found.counters == Counters(comments.counters.read, kept, kept, dict(dropped))


def small_groups(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(thread_shards, "GROUP_ROWS", rows)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three months, and the second of them once more: half of it removed since, a tenth edited, and lines of no use."""
    folder = tmp_path_factory.mktemp("sample")
    paths = write_sample(str(folder), comments=5000, months=3)
    again = []
    for number, line in enumerate(zstandard.ZstdDecompressor().stream_reader(Path(paths[1]).read_bytes()).read().splitlines()):
        value = json.loads(line)
        if number % 2:
            value["body"] = ["[deleted]", "[removed]", "[ Removed by Reddit ]"][number % 3]
        elif number % 10 == 0:
            value["body"] = f"edited: {value['body']}"
        again.append(value)
    rescan = Path(write_dump(folder / "RC_2006-02.rescan.ndjson", again))
    rescan.write_bytes(b"no JSON\n\n" + rescan.read_bytes() + b'{"id": "c1"}\n')
    return [*(str(path) for path in paths), str(rescan)]


@pytest.mark.parametrize(
    ("preset", "changed"),
    [
        ("default", {"num_shards_train": 3, "month": "2006-02"}),
        ("default", {"format": "jsonl", "parent_depth": 3}),
        ("polyai", {"num_shards_test": 2, "format": "parquet"}),
        ("polyai", {"format": "jsonl", "month": "2006-03", "max_length": 60, "min_length": 20}),
        ("blender", {"format": "parlai"}),
        ("dialogpt", {"drop_shouting": False, "max_dialogue_words": 30}),
        ("title", {"self_text": True, "personal_data": "drop", "rules": f"{__file__}:about_numbers"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_shards_of_a_sample_world_are_those_of_the_stages(
    sample: list[str], preset: str, changed: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "_SHARD_BYTES", 30_000)  # so that several are made where no number was given
    small_groups(monkeypatch, 200)
    config = configured(preset, **changed)
    staged = in_stages(tmp_path / "stages", sample, config)
    found = in_one_pass(tmp_path / "held", sample, config)
    assert_same(found, staged)
    assert_same(in_one_pass(tmp_path / "spilled", sample, config, 3, held_rows=2000), staged)
    assert len(found.shards) > 4
    assert found.counters.dropped["duplicate"] > 1000
    assert [file.records for file in found.dead_letters] == [3]


def about_numbers(comments: pl.DataFrame) -> pl.Series:
    """A user's rule: no text with a digit."""
    return comments["body"].str.contains("[0-9]")


def test_shards_of_a_sample_world_less_what_a_ledger_names_are_those_of_the_stages(sample: list[str], tmp_path: Path) -> None:
    lines = zstandard.ZstdDecompressor().stream_reader(Path(sample[0]).read_bytes()).read().splitlines()
    named = [value for line in lines[::40] if (value := json.loads(line))["author"] != "[deleted]"]
    entries = [f"id,{value['id']}" for value in named[::2]] + [f"author,{author_hash(value['author'])}" for value in named[1::2]]
    ledger = tmp_path / "ledger.csv"
    ledger.write_text("\n".join(["kind,value", *entries]))
    config = configured("default")
    found = in_one_pass(tmp_path, sample, config, ledger=str(ledger))
    assert_same(found, in_stages(tmp_path / "stages", sample, config, str(ledger)))
    assert found.counters.dropped["taken_down"] > len(entries)
    assert found.inputs[-1].name == "takedown"
    (letters,) = found.dead_letters
    for line in (tmp_path / "conversations" / letters.name).open():
        letter = json.loads(line)
        assert (letter["detail"], letter["text"]) == ("", "")
        assert letter["line"]
        assert letter["reason"]


def test_shards_of_what_is_whole_of_a_truncated_dump_are_those_of_the_stages(sample: list[str], tmp_path: Path) -> None:
    cut = tmp_path / "RC_2006-01.zst"
    content = zstandard.ZstdDecompressor().stream_reader(Path(sample[0]).read_bytes()).read()
    cut.write_bytes(zstandard.compress(content[: len(content) // 2]) + zstandard.compress(content)[:-100])
    config = configured("default", keep_partial=True)
    found = in_one_pass(tmp_path, [str(cut)], config)
    assert found.partial
    assert_same(found, in_stages(tmp_path / "stages", [str(cut)], config))


LONG = 127


def escaped_bodies() -> list[str]:
    """Bodies of 120 to 135 characters with escapes in many places, and longer ones whose escape is cut when they are read."""
    draw = random.Random(5)
    texts = ["&amp;" * length for length in range(120, 136)]
    for length in range(120, 136):
        for escapes in ("&amp;", "&gt;"), ("&lt;", "&amp;gt;", "&amp", ";"), ("&amp;amp;", " ", "é", "word"):
            text = ""
            while len(text.replace("&amp;", "&").replace("&gt;", ">").replace("&lt;", "<")) < length:
                text += draw.choice([*escapes, "x", "y z"])
            texts.append(text)
    for before in range(6):  # 5 * (length + 1) characters are looked at
        texts += ["x" * before + "&amp;" * count for count in (126, 127, 128, 129, 300)]
        texts += [f"{'word ' * before}{'&amp;gt;' * 90}", "x" * (5 * (LONG + 1) + before) + "&lt;" * 9]
    return texts


def odd_bodies() -> list[str]:
    pieces = ["😀", "e\u0301", "\u0301", "👨\u200d👩\u200d👧", "漢", "א", "\u2028", "\x00", "²", "_", " ", "\n", "ß"]
    draw = random.Random(6)
    return ["".join(draw.choices(pieces, k=length))[:length] for length in [*range(120, 136), *range(5, 13), 700]]


def conversation(thread: str, bodies: Sequence[str], start: int) -> list[Raw]:
    """Comments each of which answers the one before, and each of which is answered by a short one."""
    told = []
    for number, body in enumerate(bodies):
        parent = f"t1_{thread}{number - 1:x}" if number else f"t3_{thread}"
        told.append(comment(f"{thread}{number:x}", parent, thread, body, created_utc=start + number))
        answer = comment(f"{thread}z{number:x}", f"t1_{thread}{number:x}", thread, "thank you for that", created_utc=start + 9000)
        told.append({**answer, "author": None} if number % 5 == 0 else answer)
    return told


def traps() -> list[list[Raw]]:
    """Two months: turns about the limit of length, duplicates of every kind, long ids, an orphan, a cycle, a lone comment."""
    older = [
        *conversation("esc", escaped_bodies(), DECEMBER),
        comment("orig", "t3_dup", "dup", "the text as it was written", created_utc=DECEMBER),
        comment("orig", "t3_dup", "dup", "[deleted]", created_utc=DECEMBER + 1),
        comment("edit", "t1_orig", "dup", "the first of three texts", created_utc=DECEMBER),
        comment("gone", "t1_orig", "dup", "[deleted]", created_utc=DECEMBER + 5),
    ]
    newer = [
        comment("edit", "t1_orig", "dup", "the second of three texts", created_utc=DECEMBER + 2),
        *conversation("odd", odd_bodies(), JANUARY),
        comment("edit", "t1_orig", "dup", "the last of three texts", created_utc=JANUARY + 1),
        comment("orig", "t3_dup", "dup", "[removed]", created_utc=JANUARY),
        comment("gone", "t1_orig", "dup", "[ Removed by Reddit ]", created_utc=JANUARY),
        comment("reply", "t1_edit", "dup", "an answer to the last text", created_utc=JANUARY),
        comment("reply", "t1_edit", "other", "the same id in another thread", created_utc=JANUARY),
        *(comment(f"longest{n:05d}", f"t1_longest{n - 1:05d}", "long", f"turn number {n}", subreddit=None) for n in range(20)),
        comment("orphan", "t1_nobody", "lost", "nobody is not there"),
        comment("orphan2", "t1_orphan", "lost", "an answer to an orphan"),
        comment("one", "t1_two", "cycle", "each answers the other"),
        comment("two", "t1_one", "cycle", "the other answers each"),
        *(comment(f"a{n}", f"t3_alone{n}", f"alone{n}", "nobody answers to this") for n in range(15)),
    ]
    random.Random(7).shuffle(newer)
    return [older, newer]


@pytest.fixture(scope="module")
def trap_sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("traps")
    return [write_dump(folder / f"part{number}.ndjson", raw) for number, raw in enumerate(traps())]


@pytest.mark.parametrize(
    ("preset", "changed"),
    [
        ("default", {"num_shards_train": 40, "num_shards_validation": 2}),  # more shards than threads
        ("default", {"max_length": LONG - 1, "month": "2006-01"}),
        ("default", {"prefer_original": False, "hard_cut": False, "format": "jsonl", **ALL_TRAIN}),
        ("polyai", {"unescape_html": True, "parent_depth": 40, "max_length": 12, "min_length": 0}),
        ("polyai", {"month": "2006-01"}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_shards_of_comments_with_traps_are_those_of_the_stages(
    trap_sources: list[str], preset: str, changed: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_groups(monkeypatch, 7)
    config = configured(preset, **changed)
    staged = in_stages(tmp_path / "stages", trap_sources, config)
    for workers, held_rows in [(1, HELD_ROWS), (2, 20), (3, 400)]:
        assert_same(in_one_pass(tmp_path / str(workers), trap_sources, config, workers, held_rows), staged)
    assert staged[1].counters.dropped == {"duplicate": 5}
    if config.num_shards_train == 40:
        assert sum(not shard.records for shard in staged[2].shards) > 15


@settings(max_examples=6, deadline=None)
@given(
    worlds(), st.sampled_from(["default", "polyai"]), st.sampled_from([1, 3, HELD_ROWS]), st.integers(1, 8), st.integers(8, 130)
)
def test_shards_of_any_comments_are_those_of_the_stages(
    tmp_path_factory: pytest.TempPathFactory, raw: list[list[Raw]], preset: str, held_rows: int, group_rows: int, longest: int
) -> None:
    folder = tmp_path_factory.mktemp("world")
    # An example in each world, so that no stage refuses it; and no two sources of equal bytes.
    answered = [comment("q", "t3_sure", "sure", "12345678"), comment("r", "t1_q", "sure", "87654321")]
    raw = [[*source, comment(f"own{number}", "t3_own", "own")] for number, source in enumerate([*raw, answered])]
    sources = [write_dump(folder / f"source{number}.ndjson", source) for number, source in enumerate(raw)]
    config = configured(preset, max_length=longest, min_length=8, num_shards_train=2)
    with pytest.MonkeyPatch.context() as patch:
        small_groups(patch, group_rows)
        assert_same(in_one_pass(folder, sources, config, 2, held_rows), in_stages(folder / "stages", sources, config))


class TestTheFunnel:
    LINES = (
        b"not JSON\n",
        b"\n",
        b'{"id": "x", "link_id": "t3_t", "body": "no time"}\n',
        b'{"id": "x", "link_id": "t3_t", "body": "an absurd time", "created_utc": 7}\n',
    )

    def test_counts_every_line_once(self, tmp_path: Path) -> None:
        told = [
            *(
                comment(name, parent, "t", f"the text of {name}")
                for name, parent in [("a", "t3_t"), ("b", "t1_a"), ("c", "t1_b")]
            ),
            comment("b", "t1_a", "t", "the text of b, edited"),
            comment("d", "t1_nobody", "t", "the text of d"),
            comment("e", "t1_a", "t", "[deleted]"),
        ]
        first = Path(write_dump(tmp_path / "RC_2006-01.ndjson", told))
        first.write_bytes(self.LINES[0] + first.read_bytes() + b"".join(self.LINES[1:]))
        second = write_dump(tmp_path / "RC_2006-02.ndjson", [comment("f", "t1_c", "t", "the text of f", created_utc=FEBRUARY)])
        found = in_one_pass(tmp_path, [str(first), second], configured("default", **ALL_TRAIN))
        assert found.counters.read == len(told) + len(self.LINES) + 1
        assert (found.counters.kept, found.counters.written) == (3, 3)
        reasons = Counter(json.loads(line)["reason"] for line in (tmp_path / "conversations" / found.dead_letters[0].name).open())
        assert sum(reasons.values()) == found.dead_letters[0].records == len(self.LINES)
        dropped = {"duplicate": 1, "orphan": 1, "top_level": 1, "response_tombstone": 1}
        assert found.counters.dropped == {**reasons, **dropped}
        assert [file.name for file in found.dead_letters] == ["dead_letters-RC_2006-01-00000-of-00001.jsonl"]


@pytest.fixture
def dump(tmp_path: Path) -> str:
    """A thread of two turns, and a line of no use."""
    path = Path(write_dump(tmp_path / "RC_2006-01.ndjson", [comment("a", "t3_t"), comment("b", "t1_a")]))
    path.write_bytes(path.read_bytes() + b"not JSON\n")
    return str(path)


class TestWhatIsOfNoUse:
    """One line with the remedy; nothing is left, not even a folder."""

    def complaint(self, tmp_path: Path, sources: Sequence[str], held_rows: int = HELD_ROWS, **changed: Any) -> str:
        before = sorted(tmp_path.iterdir())
        with pytest.raises(InputError) as error:
            in_one_pass(tmp_path / "new" / "folder", sources, configured("default", **changed), held_rows=held_rows)
        assert sorted(tmp_path.iterdir()) == before
        (line,) = str(error.value).splitlines()
        return line

    @pytest.mark.parametrize("held_rows", [1, HELD_ROWS], ids=["spilled", "held"])
    def test_a_month_that_no_comment_is_of(self, dump: str, tmp_path: Path, held_rows: int) -> None:
        assert self.complaint(tmp_path, [dump], held_rows, month="2009-07") == (
            f"no comment of 2009-07 in {dump} (they hold 2006-01); name the month's dump among the sources, or another month"
        )

    def test_a_month_outside_of_several(self, dump: str, tmp_path: Path) -> None:
        older = write_dump(tmp_path / "RC_2005-12.ndjson", [comment("z", "t3_s", created_utc=DECEMBER)])
        line = self.complaint(tmp_path, [older, dump], month="2009-07")
        assert line.startswith(f"no comment of 2009-07 in {older}, {dump} (they hold 2005-12 to 2006-01)")

    def test_no_comments(self, tmp_path: Path) -> None:
        path = tmp_path / "RC_2006-01.ndjson"
        path.write_bytes(b'not JSON\n{"id": "c1"}\n')
        line = self.complaint(tmp_path, [str(path)])
        assert line.startswith(f"none of the 2 lines of {path} is a comment (")
        assert line.endswith("name a file of Reddit comments")

    @pytest.mark.parametrize("held_rows", [1, HELD_ROWS], ids=["spilled", "held"])
    def test_no_example_at_all(self, dump: str, tmp_path: Path, held_rows: int) -> None:
        line = self.complaint(tmp_path, [dump], held_rows, min_length=100, num_shards_train=3)
        assert line.startswith(f"{dump}: its 3 lines give no example (")
        for reason in ("top_level 1", "response_too_short 1"):
            assert reason in line
        assert line.endswith("add the months before, or loosen the filter that drops most")

    def test_a_second_source_that_is_truncated(self, dump: str, tmp_path: Path) -> None:
        path = tmp_path / "RC_2006-02.zst"
        path.write_bytes(zstandard.ZstdCompressor().compress(Path(dump).read_bytes() * 5000)[:-9])
        assert self.complaint(tmp_path, [dump, str(path)], held_rows=1).startswith(f"{path}: truncated: it ends at byte")

    def test_a_second_source_without_lines(self, dump: str, tmp_path: Path) -> None:
        path = tmp_path / "RC_2006-02.zst"
        path.write_bytes(zstandard.ZstdCompressor().compress(b""))
        assert self.complaint(tmp_path, [dump, str(path)]) == f"{path} holds no lines; download it again"

    def test_a_source_named_twice(self, dump: str, tmp_path: Path) -> None:
        assert "are the same, byte for byte" in self.complaint(tmp_path, [dump, dump])


def test_nothing_is_done_again_for_other_workers_but_for_other_settings(dump: str, tmp_path: Path) -> None:
    config = configured("default", **ALL_TRAIN)
    in_one_pass(tmp_path, [dump], config, workers=1)
    path = tmp_path / "conversations" / "manifest.json"
    written = path.stat().st_mtime_ns
    in_one_pass(tmp_path, [dump], config, workers=2, held_rows=1)
    assert path.stat().st_mtime_ns == written
    changed = in_one_pass(tmp_path, [dump], configured("default", **ALL_TRAIN, parent_depth=3))
    assert Dataset.open(str(tmp_path / "conversations")).manifest == changed
    assert changed.config["parent_depth"] == 3
    assert path.stat().st_mtime_ns > written
