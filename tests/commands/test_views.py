import json
from pathlib import Path

import polars as pl
import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from tests.reports import made
from threadmill.cli import main
from threadmill.datasets.counters import Counters
from threadmill.engine.run import run_stage
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return write_conversations(tmp_path / "talk", {"train": shards_of(made_examples(8), 2)})


@pytest.fixture
def release(tmp_path: Path) -> str:
    rows = [made.example(number, created_utc="1136282400", **{"context/0": "hello"}) for number in range(3)]
    rows[1] |= {"context_authors": "ann cid", "context_ids": "b1 a1"}
    return made.write_conversations(tmp_path / "release", {"train": [rows[:2]], "test": [rows[2:]]})


class TestShow:
    def test_prints_what_it_is_its_funnel_and_some_records(self, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["show", uri, "--records", "2"]) == 0
        output = capsys.readouterr().out
        assert output.startswith("conversations: conversations (version 1)\n")
        assert "  train: " in output
        assert "kept and written" in output
        assert output.count(" turns)") == 2

    def test_prints_pretraining_records_as_tokens(self, uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        vocabulary, records = str(tmp_path / "vocabulary"), str(tmp_path / "records")
        run_stage(VocabularyStage(uri, VocabularyConfig(vocab_size=90)), vocabulary)
        run_stage(RecordsStage(uri, vocabulary, BertConfig(max_seq_length=32)), records, workers=1)
        assert main(["show", records, "--records", "3"]) == 0
        output = capsys.readouterr().out
        assert output.count("[CLS]") == 3
        assert "train-00000-of-00001.tfrecord, record 2" in output
        Path(vocabulary, "manifest.json").unlink()
        assert main(["show", records, "--records", "1"]) == 0
        output = capsys.readouterr().out
        assert "masked_lm_positions: " in output
        assert "[CLS]" not in output

    @pytest.mark.parametrize("count", ["-1", "some"])
    def test_wants_a_number_of_records(self, uri: str, capsys: pytest.CaptureFixture[str], count: str) -> None:
        assert main(["show", uri, "--records", count]) == 2
        assert "--records" in capsys.readouterr().err

    def test_tells_a_damaged_shard(self, uri: str, capsys: pytest.CaptureFixture[str]) -> None:
        path = Path(uri, "train-00000-of-00002.tfrecord")
        path.write_bytes(path.read_bytes()[:-2])
        assert main(["show", uri]) == 2
        assert f"threadmill: error: {path}: record " in capsys.readouterr().err

    def test_prints_one_example_as_a_dialogue_with_all_that_is_known(
        self, release: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["show", release, "--example", "t1_c1"]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "r/reddit.com, thread t1 (3 turns)",
            "  1 cid: hello",
            "  2 ann: how are you?",
            "  3 bob: very well",
            "",
            "context_author   ann",
            "context_authors  ann cid",
            "context_ids      b1 a1",
            "created_utc      1136282400 (2006-01-03 10:00:00 UTC)",
            "example_id       c1",
            "response_author  bob",
            "subreddit        reddit.com",
            "thread_id        t1",
        ]

    def test_prints_one_thread_as_a_tree(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        names = ["id", "parent_id", "parent_kind", "author", "body", "thread_id", "subreddit", "removal"]
        rows = [
            ("a", "t", "submission", "ann", "hello", "t", "talk", None),
            ("b", "a", "comment", "bob", "[deleted]", "t", "talk", "author"),
        ]
        frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
            score=pl.lit(1), created_utc=pl.lit(1136282400).cast(pl.Datetime("us", "UTC")), is_new=True
        )
        frame.write_parquet(tmp_path / "rows")
        file = {"train-00000-of-00001.parquet": ((tmp_path / "rows").read_bytes(), 2)}
        threads = made.write_dataset(tmp_path / "threads", "threads", file, Counters(2, 2, 2))
        assert main(["show", threads, "--thread", "t3_t"]) == 0
        output = capsys.readouterr().out
        assert output.startswith("thread t, r/talk: 2 comments by 2 authors")
        assert "removed (author)" in output
        assert main(["show", threads, "--thread", "t", "--comments", "1"]) == 0
        assert capsys.readouterr().out.endswith("... 1 of 2 are not shown\n")

    @pytest.mark.parametrize(
        ("flags", "told"),
        [
            (["--example", "zzz"], "has no example 'zzz'"),
            (["--thread", "t1"], "name one of comments or threads"),
            (["--thread", "t1", "--example", "c1"], "not allowed with"),
            (["--comments", "0"], "--comments is 0; it must be a whole number from 1"),
            (["--replies", "0"], "--replies is 0"),
        ],
    )
    def test_tells_what_it_cannot_show(
        self, release: str, capsys: pytest.CaptureFixture[str], flags: list[str], told: str
    ) -> None:
        assert main(["show", release, *flags]) == 2
        assert told in capsys.readouterr().err


class TestStats:
    def test_prints_each_dataset(self, uri: str, release: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["stats", release, uri, "--subreddits", "1"]) == 0
        output = capsys.readouterr().out
        assert output.count("examples a comment") == 2
        assert "r/reddit.com" in output

    def test_prints_json_lines_for_machines(self, uri: str, release: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["stats", release, uri, "--json"]) == 0
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [one["name"] for one in found] == ["release", "conversations"]
        assert found[0]["lengths"]["turns"]["mean"] == 3

    def test_wants_a_number_of_subreddits(self, release: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["stats", release, "--subreddits", "-1"]) == 2
        assert "--subreddits is -1" in capsys.readouterr().err


class TestDiff:
    def test_compares_two_releases(self, release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rows = [made.example(number) for number in range(1, 5)]
        other = made.write_conversations(tmp_path / "other", {"train": [rows]}, config={"max_length": 90})
        assert main(["diff", release, other, "--memory-limit", "300MB"]) == 0
        output = capsys.readouterr().out
        assert "max_length  -      90" in output
        assert "in the first only" in output

    def test_tells_what_is_no_dataset(self, release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", release, str(tmp_path)]) == 2
        assert "no manifest.json" in capsys.readouterr().err
