import gzip
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from threadmill.cli import main
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import find_manifest
from threadmill.datasets.tfrecord import parse_example, read_records

ALL_TRAIN = ["--train-split", "1", "--validation-split", "0", "--test-split", "0", "--workers", "1"]

# A thread of four turns, one of two, and what gives no example: a lone comment, an orphan, a tombstone, a short answer.
COMMENTS = [
    ("c1", "t3_boats", "t3_boats", "ann", "Which book on sailing should I read first?"),
    ("c2", "t1_c1", "t3_boats", "bob", "Slocum: Sailing Alone Around the World."),
    ("c3", "t1_c2", "t3_boats", "ann", "I have read it. What should come after that?"),
    ("c4", "t1_c3", "t3_boats", "cem", "Then take Moitessier &amp; his Long Way."),
    ("d1", "t3_stars", "t3_stars", "dee", "Saturn's rings are younger than sharks."),
    ("d2", "t1_d1", "t3_stars", "eve", "By three hundred million years, in fact."),
    ("e1", "t3_alone", "t3_alone", "fay", "Nobody has ever answered to this one."),
    ("f2", "t1_gone", "t3_older", "gus", "My parent is in the dump of another month."),
    ("d3", "t1_d2", "t3_stars", "[deleted]", "[deleted]"),
    ("d4", "t1_d1", "t3_stars", "hal", "Indeed."),
]


def write_dump(path: Path, comments: Iterable[tuple[str, str, str, str, str]] = COMMENTS) -> str:
    """A dump of January 2006 as newline-delimited JSON."""
    lines = [
        {"id": id, "parent_id": parent, "link_id": link, "author": author, "body": body, "subreddit": "talk", "score": 1}
        for id, parent, link, author, body in comments
    ]
    dump = "".join(json.dumps({**line, "created_utc": 1136073600 + index}) + "\n" for index, line in enumerate(lines))
    path.write_text(dump)
    return str(path)


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_dump(tmp_path / "RC_2006-01.ndjson")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(path: Path) -> list[dict[str, Any]]:
    """The examples of a shard of either format, by their responses."""
    if path.suffix == ".jsonl":
        examples = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        records = (parse_example(record) for record in read_records(str(path)))
        examples = [{name: value.decode() for name, (value,) in record.items()} for record in records]
    return sorted(examples, key=lambda example: example["example_id"])


EXAMPLES = [
    {
        "context": "Which book on sailing should I read first?",
        "context_author": "ann",
        "context_authors": "ann",
        "context_ids": "c1",
        "created_utc": "1136073601",
        "example_id": "c2",
        "response": "Slocum: Sailing Alone Around the World.",
        "response_author": "bob",
        "root_kind": "top_level",
        "subreddit": "talk",
        "thread_id": "boats",
    },
    {
        "context": "Slocum: Sailing Alone Around the World.",
        "context/0": "Which book on sailing should I read first?",
        "context_author": "bob",
        "context_authors": "bob ann",
        "context_ids": "c2 c1",
        "created_utc": "1136073602",
        "example_id": "c3",
        "response": "I have read it. What should come after that?",
        "response_author": "ann",
        "root_kind": "top_level",
        "subreddit": "talk",
        "thread_id": "boats",
    },
    {
        "context": "I have read it. What should come after that?",
        "context/0": "Slocum: Sailing Alone Around the World.",
        "context/1": "Which book on sailing should I read first?",
        "context_author": "ann",
        "context_authors": "ann bob ann",
        "context_ids": "c3 c2 c1",
        "created_utc": "1136073603",
        "example_id": "c4",
        "response": "Then take Moitessier & his Long Way.",
        "response_author": "cem",
        "root_kind": "top_level",
        "subreddit": "talk",
        "thread_id": "boats",
    },
    {
        "context": "Saturn's rings are younger than sharks.",
        "context_author": "dee",
        "context_authors": "dee",
        "context_ids": "d1",
        "created_utc": "1136073605",
        "example_id": "d2",
        "response": "By three hundred million years, in fact.",
        "response_author": "eve",
        "root_kind": "top_level",
        "subreddit": "talk",
        "thread_id": "stars",
    },
]


class TestADumpBecomesConversations:
    @pytest.mark.parametrize("format", ["tfrecord", "jsonl"])
    def test_with_the_files_and_keys_of_the_contract(
        self, source: str, tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        output = tmp_path / "out"
        assert main(["reddit", source, "--output", str(output), "--format", format, *ALL_TRAIN]) == 0
        assert capsys.readouterr().out == f"{output}/conversations\n"
        assert names(output) == ["conversations"]
        assert names(output / "conversations") == ["manifest.json", f"train-00000-of-00001.{format}"]
        assert read(output / "conversations" / f"train-00000-of-00001.{format}") == EXAMPLES
        assert verify(str(output / "conversations")) == []

    def test_and_every_comment_is_accounted_for(self, source: str, tmp_path: Path) -> None:
        assert main(["reddit", source, "--output", str(tmp_path / "out"), *ALL_TRAIN]) == 0
        counters = Dataset.open(str(tmp_path / "out" / "conversations")).manifest.counters
        assert (counters.read, counters.kept, counters.written) == (len(COMMENTS), 4, 4)
        assert counters.dropped == {"top_level": 3, "orphan": 1, "response_tombstone": 1, "response_too_short": 1}

    def test_in_as_many_shards_of_each_split_as_were_asked_for(self, source: str, tmp_path: Path) -> None:
        arguments = ["--num-shards-train", "2", "--num-shards-test", "3", "--num-shards-validation", "1", "--workers", "1"]
        assert main(["reddit", source, "--output", str(tmp_path), "--format", "jsonl", *arguments]) == 0
        shards = [name for name in names(tmp_path / "conversations") if name != "manifest.json"]
        assert shards == [
            *(f"test-0000{index}-of-00003.jsonl" for index in range(3)),
            *(f"train-0000{index}-of-00002.jsonl" for index in range(2)),
            "validation-00000-of-00001.jsonl",
        ]
        assert sorted(e["example_id"] for shard in shards for e in read(tmp_path / "conversations" / shard)) == [
            example["example_id"] for example in EXAMPLES
        ]

    def test_by_the_reference_s_rules_with_its_preset(self, source: str, tmp_path: Path) -> None:
        arguments = ["--preset", "polyai", "--format", "jsonl", "--workers", "1"]
        assert main(["reddit", source, "--output", str(tmp_path), *arguments]) == 0
        shards = [path for path in (tmp_path / "conversations").iterdir() if path.suffix == ".jsonl"]
        assert {path.name.split("-")[0] for path in shards} == {"train", "test"}
        responses = [example["response"] for path in shards for example in read(path)]
        assert len(responses) == 4
        assert "Then take Moitessier &amp; his Long Way." in responses

    def test_of_one_month_with_the_others_as_context(self, tmp_path: Path) -> None:
        older = write_dump(tmp_path / "RC_2005-12.ndjson", COMMENTS[:2])
        Path(older).write_text(Path(older).read_text().replace("11360736", "11350736"))
        newer = write_dump(tmp_path / "RC_2006-01.ndjson", COMMENTS[2:4])
        output = tmp_path / "out"
        assert main(["reddit", older, newer, "--month", "2006-01", "--output", str(output), "--format", "jsonl", *ALL_TRAIN]) == 0
        when = ["1136073600", "1136073601"]  # each dump tells its times from its first line
        expected = [{**example, "created_utc": time} for example, time in zip(EXAMPLES[1:3], when, strict=True)]
        assert read(output / "conversations" / "train-00000-of-00001.jsonl") == expected

    def test_one_stage_after_the_other_as_all_at_once(self, source: str, tmp_path: Path) -> None:
        once, kept, apart = tmp_path / "once", tmp_path / "kept", tmp_path / "apart"
        splits = ALL_TRAIN[:6]
        assert main(["reddit", source, "--output", str(once), *ALL_TRAIN]) == 0
        assert main(["reddit", source, "--output", str(kept), "--keep-stages", *ALL_TRAIN]) == 0
        assert main(["ingest", source, "--output", f"{apart}/comments"]) == 0
        assert main(["threads", f"{apart}/comments", "--output", f"{apart}/threads", *splits]) == 0
        assert main(["conversations", f"{apart}/threads", "--output", f"{apart}/conversations"]) == 0
        assert names(kept) == ["comments", "conversations", "threads"]
        for dataset in names(kept):
            assert Dataset.open(f"{kept}/{dataset}").manifest.digest == Dataset.open(f"{apart}/{dataset}").manifest.digest
        in_one_pass, in_stages = (Dataset.open(f"{folder}/conversations").manifest for folder in (once, kept))
        assert in_one_pass.shards == in_stages.shards
        assert (in_one_pass.schema, in_one_pass.statistics) == (in_stages.schema, in_stages.statistics)

    def test_and_one_way_replaces_the_other(
        self, source: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        command = ["reddit", source, "--output", str(tmp_path), *ALL_TRAIN]
        assert main(command) == 0
        once = Dataset.open(str(tmp_path / "conversations")).manifest
        assert main([*command, "--keep-stages"]) == 0
        kept = Dataset.open(str(tmp_path / "conversations")).manifest
        assert [entry.name for entry in once.inputs] == ["RC_2006-01.ndjson"]
        assert [entry.name for entry in kept.inputs] == ["threads"]
        assert once.shards == kept.shards
        assert main(command) == 0
        assert Dataset.open(str(tmp_path / "conversations")).manifest.digest == once.digest

    def test_and_a_second_call_has_nothing_to_do(self, source: str, tmp_path: Path) -> None:
        command = ["reddit", source, "--output", str(tmp_path / "out"), *ALL_TRAIN]
        assert main(command) == 0
        times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*")}
        assert main(command) == 0
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*")} == times

    def test_and_changed_settings_do_only_what_they_change(self, source: str, tmp_path: Path) -> None:
        output = tmp_path / "out"
        command = ["reddit", source, "--output", str(output), "--keep-stages", *ALL_TRAIN]
        assert main(command) == 0
        comments = (output / "comments" / "manifest.json").stat().st_mtime_ns
        assert main([*command, "--parent-depth", "1", "--format", "jsonl"]) == 0
        assert names(output / "conversations") == ["manifest.json", "train-00000-of-00001.jsonl"]
        assert not any("context/0" in example for example in read(output / "conversations" / "train-00000-of-00001.jsonl"))
        assert (output / "comments" / "manifest.json").stat().st_mtime_ns == comments


def compressed(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


class TestBadInput:
    """Exit status 2, one line with the remedy, and no dataset."""

    def complaint(self, capsys: pytest.CaptureFixture[str], output: Path, *arguments: str) -> str:
        assert main([*arguments, "--output", str(output)]) == 2
        out, errors = capsys.readouterr()
        assert out == ""
        (line,) = errors.splitlines()
        assert not [name for name in ("comments", "threads", "conversations") if find_manifest(str(output / name))]
        return line.removeprefix("threadmill: error: ")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "{} is empty (0 bytes); download it again"),
            (compressed(b""), "{} holds no lines; download it again"),
            (compressed(b"{}\n" * 50_000)[:-3], "{}: truncated: it ends at byte"),
            (compressed(b"x" * 1000)[:9] + b"\xff" * 20, "{}: corrupt: zstd frame 1 cannot be read on before byte "),
            (b"not JSON\n", "none of the 1 lines of {} is a comment"),
            (b'{"id": "c1"}\n', "none of the 1 lines of {} is a comment"),
        ],
        ids=["empty", "empty zst", "truncated zst", "corrupt zst", "no JSON", "no comment"],
    )
    def test_a_file_of_no_use(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str) -> None:
        source = tmp_path / "RC_2006-01.zst"
        source.write_bytes(content)
        assert self.complaint(capsys, tmp_path / "out", "reddit", str(source)).startswith(message.format(source))

    @pytest.mark.parametrize("content", [b"", compressed(b"{}\n" * 50_000)[:-3]], ids=["empty", "truncated"])
    def test_a_file_that_cannot_be_read_leaves_no_folder(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
    ) -> None:
        source = tmp_path / "RC_2006-01.zst"
        source.write_bytes(content)
        self.complaint(capsys, tmp_path / "new" / "out", "reddit", str(source))
        assert names(tmp_path) == ["RC_2006-01.zst"]

    def test_a_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        message = self.complaint(capsys, tmp_path / "out", "reddit", str(tmp_path))
        assert message == f"{tmp_path} is a folder; name the dump file in it, such as {tmp_path}/RC_2006-01.zst"

    def test_a_missing_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        message = self.complaint(capsys, tmp_path / "out", "reddit", str(tmp_path / "RC_2006-01.zst"))
        assert message == f"{tmp_path}/RC_2006-01.zst does not exist; check the path, or download the month's dump"

    def test_a_month_that_is_not_in_the_dump(self, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["reddit", source, "--month", "2009-07", "--output", str(tmp_path / "out"), "--workers", "1"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "no comment of 2009-07 in" in line
        assert "(they hold 2006-01); name the month's dump among the sources, or another month" in line
        assert names(tmp_path) == ["RC_2006-01.ndjson"]

    def test_a_month_that_is_not_in_the_dump_with_the_stages_kept(
        self, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--keep-stages", "--month", "2009-07", "--output", str(tmp_path / "out"), "--workers", "1"]
        assert main(["reddit", source, *arguments]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert "no comment of 2009-07 in" in line
        assert names(tmp_path / "out") == ["comments"], "what was read is kept for another month, what was asked for is not there"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--parent-depth", "-3"], "parent_depth is -3; it must be from 1 to 100"),
            (["--month", "2006-13"], "month is '2006-13'; write it as YYYY-MM, such as 2006-01"),
            (
                ["--train-split", "0.8"],
                "the splits do not add up to 1: train 0.8 + validation 0.05 + test 0.05 = 0.9; change one",
            ),
            (["--train-split", "nan"], "train_split is nan; it must be a number"),
            (["--test-split", "-0.5"], "test_split is -0.5; it must be from 0 to 1"),
            (["--max-length", "5"], "max_length is 5; it must be at least min_length (9)"),
            (["--preset", "mine"], "there is no preset 'mine'; use one of default, polyai"),
            (["--num-shards-train", "100000"], "num_shards_train is 100000; it must be from 0 to 99999"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_settings_of_no_use(
        self, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
    ) -> None:
        assert self.complaint(capsys, tmp_path / "out", "reddit", source, *arguments).startswith(message)
        assert not (tmp_path / "out").exists(), "settings are checked before anything is read"

    def test_a_memory_limit_of_no_use(self, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = ["reddit", source, "--memory-limit", "plenty", "--output", str(tmp_path / "out"), "--workers", "1"]
        assert main([*command, "--keep-stages"]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert "'plenty'" in line
        assert "write it as '1GB' or '500MB'" in line
        assert self.complaint(capsys, tmp_path / "once", *command[:4]).startswith("--memory-limit is the warehouse's")

    def test_a_dataset_of_another_stage(self, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        comments = str(tmp_path / "comments")
        assert main(["ingest", source, "--output", comments]) == 0
        capsys.readouterr()
        message = self.complaint(capsys, tmp_path / "out", "conversations", comments)
        assert comments in message
        assert "name a threads dataset" in message
        assert self.complaint(capsys, tmp_path / "out", "threads", source).startswith(f"{source} has no manifest.json")

    def test_a_bucket_without_credentials(
        self, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        assert main(["reddit", source, "--output", "gs://bucket/out"]) == 2
        message = capsys.readouterr().err
        assert "none.json" in message
        assert "run `gcloud auth application-default login`" in message


def test_what_is_said_goes_to_standard_error_and_quiet_says_nothing(source: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "threadmill.cli", "reddit", source, *ALL_TRAIN, "--output"]
    plain = subprocess.run([*command, str(tmp_path / "a")], capture_output=True, text=True, check=True)
    assert plain.stdout == f"{tmp_path}/a/conversations\n"
    assert [line.split(":")[0] for line in plain.stderr.splitlines()] == ["conversations"]
    assert "conversations: read 10 lines, kept 4, wrote 4; dropped: top_level 3" in plain.stderr
    quiet = subprocess.run([*command, str(tmp_path / "a"), "--quiet"], capture_output=True, text=True, check=True)
    assert (quiet.stdout, quiet.stderr) == (f"{tmp_path}/a/conversations\n", "")


class TestSources:
    """What the flags of sources do, from the shell."""

    def test_what_is_whole_of_a_cut_dump_goes_all_the_way_when_asked(self, tmp_path: Path, source: str) -> None:
        lines = Path(source).read_bytes()
        cut = tmp_path / "RC_2006-01_part1.gz"
        cut.write_bytes(gzip.compress(lines.replace(b'"id": "', b'"id": "x'))[:-9])
        for stages in ([], ["--keep-stages"]):
            output = tmp_path / f"out{len(stages)}"
            command = ["reddit", source, str(cut), "--output", str(output), *ALL_TRAIN, *stages]
            assert main(command) == 2
            assert main([*command, "--keep-partial"]) == 0
            manifest = find_manifest(str(output / "conversations"))
            assert manifest is not None
            assert manifest.partial

    def test_a_ledger_leaves_out_what_it_names(self, tmp_path: Path, source: str) -> None:
        ledger = tmp_path / "ledger.csv"
        ledger.write_text("kind,value\nid,t1_d2\n")
        for stages in ([], ["--keep-stages"]):
            output = tmp_path / f"out{len(stages)}"
            assert main(["reddit", source, "--output", str(output), "--ledger", str(ledger), *ALL_TRAIN, *stages]) == 0
            (shard,) = (output / "conversations").glob("train-*")
            assert not [example for example in read(shard) if "three hundred" in example["response"]]
        manifest = find_manifest(str(tmp_path / "out1" / "comments"))
        assert manifest is not None
        assert manifest.counters.dropped == {"taken_down": 1}


@pytest.mark.parametrize("flags", [[], ["--keep-stages"]])
def test_titles_without_submissions_are_told_of(
    tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture, flags: list[str]
) -> None:
    told = "no submission is there, so no example has a title; add the month's RS_ dump to the sources"
    common = ["--preset", "title", *ALL_TRAIN, *flags]
    with caplog.at_level("WARNING"):
        assert main(["reddit", source, *common, "--output", str(tmp_path / "without")]) == 0
        assert told in caplog.text
        caplog.clear()
        submission = {"id": "boats", "title": "Sailing books", "selftext": "", "created_utc": 1136073600, "author": "ann"}
        titles = tmp_path / "RS_2006-01.ndjson"
        titles.write_text(json.dumps({**submission, "subreddit": "talk", "score": 1}) + "\n")
        assert main(["reddit", source, str(titles), *common, "--output", str(tmp_path / "with")]) == 0
    assert told not in caplog.text
    shard = tmp_path / "with" / "conversations" / "train-00000-of-00001.tfrecord"
    assert [example["response"] for example in read(shard) if example["root_kind"] == "submission"]
