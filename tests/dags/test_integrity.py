"""What holds of every DAG, and the form and the shape of each, as Airflow's own parser reads them. No database."""

import json
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, Param
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction
from pendulum import datetime

from tests.airflow_home import DAGS
from tests.dags.road import TASKS, TEXT_TASKS

FILES = sorted(DAGS.glob("*.py"))
HEAVY = ["numpy", "polars", "duckdb", "pyarrow", "tensorflow", "keras", "numba", "pandas", "matplotlib", "tokenizers", "sqlglot"]

# Prints the heavy libraries that parsing imports, and each DAG's digest, by which Airflow tells a new version of it.
PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
before = set(sys.modules)
bag = DagBag(sys.argv[1])
heavy = sorted((set(sys.modules) - before) & set(sys.argv[2:]))
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.serialized_objects import DagSerialization
digests = {dag.dag_id: SerializedDagModel.hash(DagSerialization.to_dict(dag)) for dag in bag.dags.values()}
print(json.dumps([heavy, digests]))
"""

GROUPS = {
    "ingestion": {"wait_for_source", "ingest", "check_comments"},
    "examples": {"threads", "conversations", "signatures", "deduplicate", "check_conversations"},
    "pretraining": {"vocabulary", "records"},
    "training": {"train", "evaluate", "export"},
    "release": {"report", "publish"},
}


class TestEveryDag:
    def test_each_file_is_read_without_error_and_holds_one_dag(self, dag_bag: DagBag) -> None:
        assert dag_bag.import_errors == {}
        assert sorted(Path(dag.fileloc) for dag in dag_bag.dags.values()) == FILES

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
    def test_a_file_is_wiring_of_a_hundred_lines_at_most(self, path: Path) -> None:
        assert len(path.read_text().splitlines()) <= 100

    def test_parsing_imports_nothing_heavy_and_makes_no_new_version_of_a_dag(self, dag_bag: DagBag) -> None:
        command = [sys.executable, "-c", PARSE, str(DAGS), *HEAVY]
        parsed = subprocess.run(command, cwd=DAGS.parent, capture_output=True, text=True, check=True)
        digests = {dag.dag_id: SerializedDagModel.hash(DagSerialization.to_dict(dag)) for dag in dag_bag.dags.values()}
        assert json.loads(parsed.stdout.splitlines()[-1]) == [[], digests]

    def test_each_dag_says_what_it_is_and_runs_one_at_a_time(self, dag_bag: DagBag) -> None:
        for dag in dag_bag.dags.values():
            assert dag.doc_md
            assert "threadmill" in dag.tags
            assert dag.max_active_runs == 1
            assert not dag.catchup

    def test_each_task_has_an_owner_retries_that_back_off_and_a_time_limit(self, dag_bag: DagBag) -> None:
        for dag in dag_bag.dags.values():
            for task in dag.tasks:
                assert isinstance(task, BaseOperator)
                assert task.owner == "threadmill"
                assert task.retries
                assert task.retry_exponential_backoff
                assert task.max_retry_delay is not None
                assert task.execution_timeout is not None

    def test_each_sensor_gives_its_slot_back_and_ends_some_day(self, dag_bag: DagBag) -> None:
        sensors = [task for dag in dag_bag.dags.values() for task in dag.tasks if isinstance(task, BaseSensorOperator)]
        assert sensors
        for sensor in sensors:
            assert sensor.mode == "reschedule"
            assert sensor.poke_interval >= 60
            assert timedelta(days=1) <= timedelta(seconds=sensor.timeout) <= timedelta(days=31)

    def test_each_param_has_a_meaning_a_section_and_a_type(self, dag_bag: DagBag) -> None:
        for dag in dag_bag.dags.values():
            for name in dag.params:
                param = dag.params.get_param(name)
                assert param.description, name
                assert param.schema.get("section"), name
                assert param.schema.get("type"), name

    def test_the_defaults_are_valid(self, dag_bag: DagBag) -> None:
        for dag in dag_bag.dags.values():
            dag.params.validate()


class TestRedditRefresh:
    def test_its_tasks_run_in_the_order_of_the_road(self, reddit_refresh: DAG) -> None:
        assert {task.task_id for task in reddit_refresh.tasks} == set(TASKS)
        assert [task.task_id for task in reddit_refresh.roots] == TASKS[:1]
        assert [task.task_id for task in reddit_refresh.leaves] == TASKS[-1:]
        for task, following in pairwise(TASKS):
            assert following in reddit_refresh.get_task(task).downstream_task_ids

    def test_its_tasks_stand_in_groups_with_a_tooltip(self, reddit_refresh: DAG) -> None:
        groups = {group.label: group for group in reddit_refresh.task_group.get_task_group_dict().values() if group.label}
        assert {label: set(group.children) for label, group in groups.items()} == GROUPS
        assert all(group.tooltip for group in groups.values())

    def test_it_publishes_three_assets(self, reddit_refresh: DAG) -> None:
        outlets = reddit_refresh.get_task("publish").outlets
        assert {asset.name: asset.uri for asset in outlets} == {
            name: f"threadmill://reddit/{name}" for name in ("conversations", "records", "model")
        }

    def test_the_run_of_the_first_of_a_month_is_over_the_month_before(self, reddit_refresh: DAG) -> None:
        timetable = coerce_to_core_timetable(reddit_refresh.timetable)
        december = DataInterval(datetime(2005, 12, 1, 6), datetime(2006, 1, 1, 6))
        following = timetable.next_dagrun_info(
            last_automated_data_interval=december, restriction=TimeRestriction(reddit_refresh.start_date, None, catchup=True)
        )
        assert following.run_after == datetime(2006, 2, 1, 6)
        assert following.data_interval == DataInterval(datetime(2006, 1, 1, 6), datetime(2006, 2, 1, 6))
        by_hand = timetable.infer_manual_data_interval(run_after=datetime(2006, 2, 20))
        assert by_hand == following.data_interval

    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            ("month", [None, "2005-12"], ["2005-13", "200512", "December", 200512]),
            ("source", [None, "sample", "/data/RC_{month}.zst"], [7]),
            ("sample_comments", [1, 10**6], [0, -1, 2.5, "many", None]),
            ("lookback_months", [0, 120], [-1, 121, None]),
            ("preset", ["default", "polyai"], ["reference", "", None]),
            ("train_split", [None, 0, 0.5, 1], [-0.1, 1.1, "0.5"]),
            ("num_shards_train", [None, 0, 99_999], [-1, 100_000, 1.5]),
            ("parent_depth", [None, 1, 100], [0, -3, 101]),
            ("max_length", [None, 1], [0, "127"]),
            ("format", [None, "tfrecord", "jsonl"], ["csv", ""]),
            ("max_tombstone_rate", [0, 0.5, 1], [-0.1, 1.1, None]),
            ("min_examples", [1], [0, None]),
            ("vocab_kind", ["wordpiece", "bytelevel-bpe"], ["bpe", None]),
            ("vocab_size", [6, 30_522], [5, None]),
            ("lowercase", [True, False], ["yes", 1, None]),
            ("rebuild_vocabulary", [True, False], ["yes", None]),
            ("objective", ["bert", "roberta", "seq2seq", "causal"], ["gpt", None]),
            ("max_seq_length", [None, 5, 512], [4]),
            ("masked_lm_prob", [None, 0.15, 1], [-0.1, 1.1]),
            ("dupe_factor", [None, 1], [0]),
            ("model", ["bert-tiny", "bert-base"], ["bert-huge", None]),
            ("steps", [1], [0, None, 1.5]),
            ("learning_rate", [0, 1e-4], [-1e-4, "high"]),
            ("warmup_steps", [-1, 0, 100], [-2]),
            ("training_seed", [0, 2**31 - 1], [-1, 2**31]),
            ("keep", [1], [0]),
        ],
    )
    def test_a_value_outside_the_limits_of_the_form_is_refused(
        self, reddit_refresh: DAG, name: str, good: list[object], bad: list[object]
    ) -> None:
        param: Param = reddit_refresh.params.get_param(name)
        for value in good:
            assert param.resolve(value) == value
        for value in bad:
            with pytest.raises(ParamValidationError):
                param.resolve(value)


class TestTextCorpus:
    def test_its_tasks_run_in_order_in_the_groups_of_reddit_refresh(self, text_corpus: DAG) -> None:
        assert {task.task_id for task in text_corpus.tasks} == set(TEXT_TASKS)
        for task, following in pairwise(TEXT_TASKS):
            assert following in text_corpus.get_task(task).downstream_task_ids
        groups = {group.label: group for group in text_corpus.task_group.get_task_group_dict().values() if group.label}
        assert set(groups) <= set(GROUPS)
        assert all(group.tooltip for group in groups.values())
        for label in ("pretraining", "training", "release"):
            assert set(groups[label].children) == GROUPS[label]

    @pytest.mark.parametrize(
        ("name", "good", "bad"),
        [
            ("name", ["corpus", "tweets-2021.v2"], ["", "a/b", "..", "-x", None]),
            ("recipe", ["default", "qarib", "allegro", "bert"], ["gpt", None]),
            ("source", [None, "sample", "/data/a.txt, /data/b"], [7]),
            ("shard_lines", [None, 1], [0]),
            ("validation_split", [None, 0, 0.5], [-0.1, 1.1]),
            ("vocab_kind", [None, "bytelevel-bpe"], ["bpe"]),
            ("steps", [None, 1], [0, 1.5]),
        ],
    )
    def test_a_value_outside_the_limits_of_the_form_is_refused(
        self, text_corpus: DAG, name: str, good: list[object], bad: list[object]
    ) -> None:
        param: Param = text_corpus.params.get_param(name)
        for value in good:
            assert param.resolve(value) == value
        for value in bad:
            with pytest.raises(ParamValidationError):
                param.resolve(value)
