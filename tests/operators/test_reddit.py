"""The road's first half: which month, from where, and what is refused."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest
import zstandard
from airflow.sdk.exceptions import AirflowFailException
from pendulum import datetime

from operators.reddit import (
    CheckCommentsOperator,
    CheckConversationsOperator,
    ConversationsOperator,
    DeduplicateOperator,
    IngestOperator,
    PlanRedditMonth,
    RedditDumpSensor,
    SignaturesOperator,
    ThreadsOperator,
)
from tests.operators.contexts import context
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import MANIFEST_NAME, find_manifest, read_manifest
from threadmill.errors import ConfigError
from threadmill.settings import get_settings

DECEMBER, JANUARY = 1_134_000_000, 1_137_000_000


def write_dump(path: Path, start: int, threads: int = 20, body: str = "comment number {} of this thread") -> str:
    """A dump of threads of three comments in a chain, from the second ``start`` of 1970 on."""
    lines = []
    for thread in range(threads):
        link = parent = f"t3_{start:x}{thread:02}"
        for turn in range(3):
            name = f"{start:x}{thread:02}{turn}"
            comment = {"id": name, "link_id": link, "parent_id": parent, "author": f"a{turn}", "score": 1}
            comment |= {"subreddit": "reddit.com", "created_utc": start + 10 * thread + turn, "body": body.format(turn)}
            lines.append(json.dumps(comment))
            parent = f"t1_{name}"
    path.write_bytes(zstandard.compress("\n".join([*lines, ""]).encode()))
    return str(path)


def plan(values: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    made: dict[str, Any] = PlanRedditMonth(task_id="plan").execute(context(values, **params))
    return made


def ingest(uri: Path, source: str, month: str, ledger: str = "", **params: Any) -> str:
    operator = IngestOperator(task_id="ingest", uri=str(uri), sources=[source], month=month, ledger=ledger)
    return operator.execute(context(**params))


class TestPlan:
    def test_places_all_datasets_of_a_month_below_the_root(self, root: Path) -> None:
        made = plan(month="2005-12", source="/data/RC_2005-12.zst")
        assert made["month"] == "2005-12"
        assert made["sources"] == ["/data/RC_2005-12.zst"]
        assert made["ledger"] == ""
        made_first = ["comments", "threads", "conversations", "signatures", "deduplicated"]
        names = [*made_first, "records", "model", "evaluation", "export", "report"]
        assert [made[name] for name in names] == [f"{root}/reddit/2005-12/{name}" for name in names]
        assert made["vocabularies"] == f"{root}/reddit/vocabularies"
        previous = ("previous_comments", "previous_conversations", "previous_model")
        for others in ("lookback", "earlier_signatures", "earlier_conversations", *previous):
            assert not made[others]
        assert not root.exists()

    def test_without_a_month_it_is_that_of_the_data_interval(self, root: Path) -> None:
        interval = {"data_interval_start": datetime(2006, 1, 1, 6), "data_interval_end": datetime(2006, 2, 1, 6)}
        assert plan(interval, source="x")["month"] == "2006-01"
        assert plan(interval, source="x", month="2005-12")["month"] == "2005-12"

    def test_without_an_interval_it_is_the_month_before_the_run_whenever_that_is_cleared(self, root: Path) -> None:
        run = {"dag_run": SimpleNamespace(run_after=datetime(2006, 1, 20))}
        assert plan(run, source="x")["month"] == "2005-12"

    def test_the_source_may_name_the_month(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        named = plan(month="2005-12", source="gs://dumps/{month}/RC_{month}.zst")
        assert named["sources"] == ["gs://dumps/2005-12/RC_2005-12.zst"]
        monkeypatch.setenv("THREADMILL_REDDIT_SOURCE", "/dumps/RC_{month}.zst")
        get_settings.cache_clear()
        assert plan(month="2006-01")["sources"] == ["/dumps/RC_2006-01.zst"]
        assert plan(month="2006-01", source="/elsewhere.zst")["sources"] == ["/elsewhere.zst"]

    def test_a_month_may_come_in_several_dumps_and_with_its_submissions(self, root: Path) -> None:
        made = plan(month="2006-01", source="/a/RC_{month}_0.zst, /a/RC_{month}_1.zst", submissions="/a/RS_{month}.zst")
        assert made["sources"] == ["/a/RC_2006-01_0.zst", "/a/RC_2006-01_1.zst", "/a/RS_2006-01.zst"]

    def test_the_ledger_is_the_forms_or_the_deployments(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THREADMILL_LEDGER", "/ledger.csv")
        get_settings.cache_clear()
        assert plan(month="2006-01", source="x")["ledger"] == "/ledger.csv"
        assert plan(month="2006-01", source="x", ledger="/other.csv")["ledger"] == "/other.csv"

    def test_finds_the_releases_of_the_months_before(self, root: Path) -> None:
        for month in ("2005-10", "2005-12", "2006-01", "2006-02"):
            for name in ("comments", "conversations", "signatures", "deduplicated", "model"):
                folder = root / "reddit" / month / name
                folder.mkdir(parents=True)
                (folder / MANIFEST_NAME).touch()
        (root / "reddit" / "2005-12" / "deduplicated" / MANIFEST_NAME).unlink()
        made = plan(month="2006-01", source="x")

        def uris(name: str, *months: str) -> list[str]:
            return [f"{root}/reddit/{month}/{name}" for month in months]

        assert made["earlier_signatures"] == uris("signatures", "2005-10", "2005-12")
        assert made["earlier_conversations"] == uris("deduplicated", "2005-10")
        assert [made["previous_comments"]] == uris("comments", "2005-12")
        assert made["previous_conversations"] == ""
        assert [made["previous_model"]] == uris("model", "2005-12")
        undeduplicated = plan(month="2006-01", source="x", deduplication="none")
        assert undeduplicated["earlier_conversations"] == uris("conversations", "2005-10", "2005-12")
        assert [undeduplicated["previous_conversations"]] == uris("conversations", "2005-12")

    def test_the_sample_world_is_written_once(self, root: Path) -> None:
        source = Path(plan(month="2006-01", sample_comments=300)["sources"][0])
        assert source.is_relative_to(root)
        assert source.name == "RC_2006-01.zst"
        written = source.stat().st_mtime_ns
        assert plan(month="2006-01", sample_comments=300, source="sample")["sources"][0] == str(source)
        assert source.stat().st_mtime_ns == written
        assert read_manifest(ingest(root / "comments", str(source), "2006-01")).counters.kept == 300
        assert plan(month="2006-01", sample_comments=200)["sources"][0] != str(source)

    def test_looks_back_at_the_finished_months_only_the_oldest_first(self, root: Path, tmp_path: Path) -> None:
        dump = write_dump(tmp_path / "RC.zst", DECEMBER)
        for month in ("2005-05", "2005-06", "2005-12", "2006-01"):
            ingest(root / "reddit" / month / "comments", dump, "2005-12")
        unfinished = root / "reddit" / "2005-09" / "comments"
        unfinished.mkdir(parents=True)
        (unfinished / "RC_2005-09-00000-of-00001.parquet").write_bytes(b"half")

        def months(**params: Any) -> list[str]:
            return [Path(uri).parent.name for uri in plan(month="2006-01", source="x", **params)["lookback"]]

        assert months() == ["2005-12"]
        assert months(lookback_months=7) == ["2005-06", "2005-12"]
        assert months(lookback_months=12) == ["2005-05", "2005-06", "2005-12"]
        assert months(lookback_months=0) == []

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"train_split": 0.5}, "the splits do not add up to 1"),
            ({"max_length": 3}, "max_length is 3"),
            ({"steps": 10, "warmup_steps": 10}, "warmup_steps is 10"),
            ({"min_yield": 2}, "min_yield is 2.0"),
            ({"month": "0003-01", "lookback_months": 120}, "month is '-"),
        ],
    )
    def test_what_cannot_be_done_fails_at_once(self, root: Path, params: dict[str, Any], message: str) -> None:
        with pytest.raises(AirflowFailException, match=message) as failure:
            plan(**{"month": "2005-12", "source": "x", **params})
        assert "\n" not in str(failure.value)
        assert not root.exists()

    def test_a_setting_of_no_use_is_told_when_the_dag_is_read(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("THREADMILL_WORKERS", "-1")
        get_settings.cache_clear()
        with pytest.raises(ConfigError, match="THREADMILL_WORKERS='-1'"):
            context(month="2005-12", source="x")


class TestSensor:
    def test_waits_for_a_dump_that_is_not_there_yet(self, tmp_path: Path) -> None:
        source = tmp_path / "RC_2005-12.zst"
        sensor = RedditDumpSensor(task_id="wait", sources=[str(source)])
        assert not sensor.poke(context())
        write_dump(source, DECEMBER)
        assert sensor.poke(context())

    def test_waits_for_all_of_several_dumps(self, tmp_path: Path) -> None:
        first, second = (write_dump(tmp_path / name, DECEMBER) for name in ("RC_2005-12_0.zst", "RC_2005-12_1.zst"))
        sensor = RedditDumpSensor(task_id="wait", sources=[first, second])
        assert sensor.poke(context())
        Path(second).unlink()
        assert not sensor.poke(context())

    def test_a_folder_or_an_empty_file_in_its_place_fails_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(AirflowFailException, match="is a folder; name the dump file in it"):
            RedditDumpSensor(task_id="wait", sources=[str(tmp_path)]).poke(context())
        empty = tmp_path / "RC_2005-12.zst"
        empty.touch()
        with pytest.raises(AirflowFailException, match="is empty"):
            RedditDumpSensor(task_id="wait", sources=[str(empty)]).poke(context())


class TestIngest:
    def test_a_months_table_of_a_database(self, root: Path, tmp_path: Path) -> None:
        rows = [
            json.loads(line)
            for line in zstandard.decompress(Path(write_dump(tmp_path / "d", DECEMBER)).read_bytes()).splitlines()
        ]
        database = tmp_path / "reddit.duckdb"
        with duckdb.connect(str(database)) as connection:
            connection.execute("CREATE SCHEMA reddit_comments")
            comments = pl.DataFrame(rows).to_arrow()  # noqa: F841 (DuckDB finds it by its name)
            for table in ("2005_12", "2006_01"):
                connection.execute(f'CREATE TABLE reddit_comments."{table}" AS SELECT * FROM comments')
        uri = ingest(root / "comments", str(database), "2005-12", table_dataset="reddit_comments")
        manifest = read_manifest(uri)
        assert [entry.name for entry in manifest.inputs] == ["reddit_comments.2005_12"]
        assert manifest.counters.kept == 60
        by_pattern = ingest(
            root / "all", str(database), "2005-12", table_dataset="reddit_comments", table_pattern="^200", max_bad_fraction=1
        )
        assert read_manifest(by_pattern).counters.dropped == {"wrong month": 60}

    def test_a_database_is_one_source(self, root: Path) -> None:
        with pytest.raises(AirflowFailException, match="so the source is one database"):
            plan(month="2005-12", source="a.duckdb", submissions="b.zst", table_dataset="reddit_comments")

    def test_a_dump_of_another_month_fails_at_once_and_leaves_nothing(self, root: Path, tmp_path: Path) -> None:
        dump = write_dump(tmp_path / "RC.zst", DECEMBER)
        with pytest.raises(AirflowFailException) as failure:
            ingest(root / "comments", dump, "2006-05")
        assert str(failure.value) == (
            f"{dump} holds no comment of 2006-05, but of 2005-12; name the month's dump, or another month"
        )
        assert not root.exists()

    def test_a_truncated_dump_fails_at_once_and_leaves_nothing(self, root: Path, tmp_path: Path) -> None:
        dump = Path(write_dump(tmp_path / "RC.zst", DECEMBER))
        dump.write_bytes(dump.read_bytes()[:-20])
        with pytest.raises(AirflowFailException, match="truncated"):
            ingest(root / "comments", str(dump), "2005-12")
        assert not root.exists()

    def test_a_truncated_dump_is_kept_as_far_as_it_is_whole_when_told_and_goes_no_further_unless_told(
        self, root: Path, tmp_path: Path
    ) -> None:
        dump = Path(write_dump(tmp_path / "RC.ndjson", DECEMBER))
        whole = zstandard.decompress(dump.read_bytes())
        dump.write_bytes(zstandard.compress(whole[:3000]) + zstandard.compress(whole[3000:])[:-20])
        comments = ingest(root / "comments", str(dump), "2005-12", keep_partial=True)
        assert read_manifest(comments).partial
        threads = ThreadsOperator(
            task_id="t", uri=str(root / "threads"), comments=comments, lookback=[], month="2005-12", ledger=""
        )
        with pytest.raises(AirflowFailException, match="incomplete input"):
            threads.execute(context())
        assert read_manifest(threads.execute(context(allow_partial=True))).partial

    def test_what_the_ledger_names_is_left_out(self, root: Path, tmp_path: Path) -> None:
        ledger = tmp_path / "ledger.csv"
        ledger.write_text(f"kind,value\nid,t1_{DECEMBER:x}000\n")
        comments = ingest(root / "comments", write_dump(tmp_path / "RC.zst", DECEMBER), "2005-12", str(ledger))
        assert read_manifest(comments).counters.dropped == {"taken_down": 1}


class TestThreadsAndConversations:
    @pytest.fixture
    def months(self, root: Path, tmp_path: Path) -> tuple[str, str]:
        """Comments of December and January."""
        starts = {"2005-12": DECEMBER, "2006-01": JANUARY}
        dumps = {month: write_dump(tmp_path / f"RC_{month}.zst", start) for month, start in starts.items()}
        december, january = (ingest(root / month / "comments", dump, month) for month, dump in dumps.items())
        return december, january

    def test_a_month_is_new_and_the_months_before_are_context(self, root: Path, months: tuple[str, str]) -> None:
        december, january = months
        params = context(num_shards_train=2)
        threads = ThreadsOperator(
            task_id="threads", uri=str(root / "threads"), comments=january, lookback=[december], month="2006-01", ledger=""
        ).execute(params)
        manifest = Dataset.open(threads, "threads").manifest
        assert [entry.uri for entry in manifest.inputs] == [december, january]
        assert manifest.config["month"] == "2006-01"
        assert (manifest.counters.read, len(Dataset.open(threads).shards("train"))) == (120, 2)
        task = ConversationsOperator(task_id="conversations", uri=str(root / "conversations"), threads=threads)
        counters = read_manifest(task.execute(params)).counters
        assert counters.dropped["context_only"] == 60
        assert counters.written == 40

    def test_checks_of_comments_stop_the_run_at_the_limit_of_the_form(self, root: Path, tmp_path: Path) -> None:
        dump = write_dump(tmp_path / "RC.zst", DECEMBER, body="[deleted]")
        comments = ingest(root / "comments", dump, "2005-12")
        check = CheckCommentsOperator(task_id="check", comments=comments, month="2005-12", previous="")
        with pytest.raises(AirflowFailException, match=r"1 of 11 checks failed: tombstones is 1, wanted 0 to 0\.5"):
            check.execute(context())
        check.execute(context(max_tombstone_rate=1))

    def test_checks_of_comments_are_of_the_runs_month(self, root: Path, months: tuple[str, str]) -> None:
        _, january = months
        check = CheckCommentsOperator(task_id="check", comments=january, month="2006-02", previous="")
        with pytest.raises(AirflowFailException, match=r"not of 2006-02 is 1, wanted <= 0\.01"):
            check.execute(context())

    def test_checks_of_conversations_stop_the_run_at_the_limit_of_the_form(self, root: Path, months: tuple[str, str]) -> None:
        december, _ = months
        threads = ThreadsOperator(
            task_id="threads", uri=str(root / "threads"), comments=december, lookback=[], month="2005-12", ledger=""
        ).execute(context())
        conversations = ConversationsOperator(task_id="talk", uri=str(root / "talk"), threads=threads).execute(context())
        check = CheckConversationsOperator(task_id="check", conversations=conversations, previous="")
        check.execute(context(min_examples=40))
        with pytest.raises(AirflowFailException, match="examples is 40, wanted >= 41"):
            check.execute(context(min_examples=41))
        with pytest.raises(AirflowFailException, match="examples a comment is"):
            check.execute(context(min_yield=0.9))

    def test_a_dump_without_an_example_fails_at_once(self, root: Path, tmp_path: Path) -> None:
        comments = ingest(root / "comments", write_dump(tmp_path / "RC.zst", DECEMBER, body="no"), "2005-12")
        threads = ThreadsOperator(
            task_id="threads", uri=str(root / "threads"), comments=comments, lookback=[], month="2005-12", ledger=""
        ).execute(context())
        with pytest.raises(AirflowFailException, match="its 60 comments give no example"):
            ConversationsOperator(task_id="talk", uri=str(root / "talk"), threads=threads).execute(context())
        assert find_manifest(str(root / "talk")) is None


class TestDeduplication:
    @pytest.fixture
    def months(self, root: Path, tmp_path: Path) -> list[str]:
        """Conversations of December and of January, which say the same."""
        made = []
        for month, start, threads in (("2005-12", DECEMBER, 20), ("2006-01", JANUARY, 25)):
            folder = root / "reddit" / month
            dump = write_dump(tmp_path / f"RC_{month}.zst", start, threads)
            with Path(dump).open("ab") as stream:  # and one text of its own
                own = {"id": f"{month[-1]}own", "parent_id": f"t1_{start:x}000", "link_id": f"t3_{start:x}00", "author": "a"}
                own |= {"subreddit": "reddit.com", "created_utc": start, "body": f"what only {month} says, and no other"}
                stream.write(zstandard.compress(json.dumps(own).encode()))
            comments = ingest(folder / "comments", dump, month)
            threads = ThreadsOperator(
                task_id="t", uri=str(folder / "threads"), comments=comments, lookback=[], month=month, ledger=""
            )
            talk = ConversationsOperator(task_id="c", uri=str(folder / "conversations"), threads=threads.execute(context()))
            made.append(talk.execute(context()))
        return made

    def deduplicate(self, conversations: str, earlier: list[str], **params: Any) -> tuple[str, str]:
        folder = str(Path(conversations).parent)
        signatures = SignaturesOperator(task_id="s", conversations=conversations, uri=f"{folder}/signatures").execute(
            context(**params)
        )
        task = DeduplicateOperator(
            task_id="d", conversations=conversations, signatures=signatures, earlier=earlier, uri=f"{folder}/deduplicated"
        )
        return signatures, task.execute(context(**params))

    def test_an_example_that_an_earlier_month_has_goes(self, months: list[str]) -> None:
        signatures, december = self.deduplicate(months[0], [])
        assert read_manifest(december).counters.written == 3, "each of the texts once"
        _, january = self.deduplicate(months[1], [signatures])
        assert read_manifest(january).counters.written == 1

    def test_none_leaves_the_conversations_as_they_are(self, months: list[str]) -> None:
        assert self.deduplicate(months[0], [], deduplication="none") == ("", months[0])
