"""The whole DAG on real input, in this process: what it leaves, what a cleared task changes, and what bad input does."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select

from tests.airflow_home import REPOSITORY
from tests.dags.airflow_runs import clear_and_run, run_dag, states
from tests.dags.road import TASKS, dataset_folders
from threadmill.corpora.sample import write_sample
from threadmill.datasets.catalog import find_datasets
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.lock import writer_lock
from threadmill.datasets.manifest import Manifest, read_manifest
from threadmill.documents.reading import read_part
from threadmill.documents.sources import open_corpora

MONTH = "2005-12"
REAL_DUMP = REPOSITORY.parent / "shared" / "data" / "reddit" / f"RC_{MONTH}.zst"
TINY: dict[str, Any] = {
    "month": MONTH,
    "vocab_size": 500,
    "max_seq_length": 64,
    "max_predictions_per_seq": 10,
    "dupe_factor": 2,
    "steps": 20,
    "batch_size": 8,
}
pytestmark = [
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow's use of pathspec
]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A dump of 2005-12, and how many comments it holds: Reddit's own where it is at hand."""
    if REAL_DUMP.exists():
        return REAL_DUMP, 1075
    (path,) = write_sample(str(tmp_path_factory.mktemp("sample")), comments=1500, start=MONTH)
    return path, 1500


@pytest.fixture(scope="module")
def run(root: Path, dump: tuple[Path, int]) -> DagRun:
    return run_dag({**TINY, "source": str(dump[0])})


@pytest.fixture(scope="module")
def folders(root: Path) -> dict[str, Path]:
    return dataset_folders(root, MONTH)


@pytest.fixture(scope="module")
def manifests(folders: dict[str, Path], run: DagRun) -> dict[str, Manifest]:
    """Of what the run wrote, by the task that wrote it."""
    return read_manifests(folders)


def read_manifests(folders: dict[str, Path]) -> dict[str, Manifest]:
    return {task: read_manifest(str(folder)) for task, folder in folders.items()}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow looks again at once where it would wait a second for the tasks after a failed one to be given up."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(min(seconds, 0.01)))


class TestRun:
    def test_ends_green_with_every_task(self, run: DagRun) -> None:
        assert run.state == "success"
        assert states(run) == dict.fromkeys(TASKS, "success")

    def test_leaves_whole_datasets_and_nothing_of_the_work(self, root: Path, run: DagRun, folders: dict[str, Path]) -> None:
        assert find_datasets(str(root)) == sorted(str(folder.relative_to(root)) for folder in folders.values())
        for folder in folders.values():
            assert verify(str(folder)) == []
        assert not list((root / "reddit").rglob(".*")), "no lock, receipt or temporary file"

    def test_accounts_for_every_comment(self, manifests: dict[str, Manifest], dump: tuple[Path, int]) -> None:
        counters = {task: manifest.counters for task, manifest in manifests.items()}
        for each in counters.values():
            assert each.read == each.kept + sum(each.dropped.values())
        assert counters["ingest"].read == dump[1]
        assert counters["threads"].read == counters["ingest"].written
        assert counters["conversations"].read == counters["threads"].written
        assert counters["signatures"].read == counters["deduplicate"].read == counters["conversations"].written
        assert counters["records"].read == counters["deduplicate"].written
        assert counters["report"].read == len(manifests) - 3, "all but the signatures, the export and itself"

    def test_accounts_for_what_is_read_split_by_split(self, folders: dict[str, Path], manifests: dict[str, Manifest]) -> None:
        conversations, records = (Dataset.open(str(folders[task])) for task in ("deduplicate", "records"))

        def count(dataset: Dataset, split: str) -> int:
            return sum(shard.records for shard in dataset.shards(split))

        parts = [part for part in open_corpora([conversations.uri]).parts if part.split == "train"]
        turns = sum(len(block.sentences) for part in parts for block in read_part(part))
        assert manifests["vocabulary"].counters.read == turns
        assert manifests["train"].counters.read == count(records, "train")
        assert manifests["evaluate"].counters.read == count(records, "validation") or count(records, "test")
        for task in ("ingest", "threads", "conversations", "records"):
            assert manifests[task].counters.written == manifests[task].records

    def test_each_dataset_names_what_it_was_made_from(self, manifests: dict[str, Manifest]) -> None:
        digests = {manifest.digest: task for task, manifest in manifests.items()}
        made_from = {task: [digests.get(entry.digest) for entry in manifest.inputs] for task, manifest in manifests.items()}
        assert made_from == {
            "ingest": [None],
            "threads": ["ingest"],
            "conversations": ["threads"],
            "signatures": ["conversations"],
            "deduplicate": ["conversations", "signatures"],
            "vocabulary": ["deduplicate"],
            "records": ["deduplicate", "vocabulary"],
            "train": ["records", "vocabulary"],
            "evaluate": ["train", "records"],
            "export": ["train", "evaluate"],
            "report": ["ingest", "threads", "conversations", "deduplicate", "vocabulary", "records", "train", "evaluate"],
        }

    def test_writes_a_report_and_a_card(self, folders: dict[str, Path], run: DagRun, dump: tuple[Path, int]) -> None:
        assert f"{dump[1]:,}" in (folders["report"] / "report.html").read_text()
        assert f"{dump[1]:,}" in (folders["report"] / "dataset_card.md").read_text()

    def test_tells_the_assets_where_their_datasets_are(
        self, folders: dict[str, Path], run: DagRun, manifests: dict[str, Manifest]
    ) -> None:
        with create_session() as session:
            query = select(AssetModel.name, AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            events = dict(session.execute(query.where(AssetEvent.source_run_id == run.run_id)).all())
        assert events == {
            name: {"uri": str(folders[task]), "digest": manifests[task].digest, "records": manifests[task].records}
            for name, task in {"conversations": "deduplicate", "records": "records", "model": "train"}.items()
        }


class TestClearedTask:
    @pytest.mark.parametrize("task", TASKS)
    def test_run_again_changes_nothing(
        self, folders: dict[str, Path], run: DagRun, manifests: dict[str, Manifest], task: str
    ) -> None:
        assert clear_and_run(run, task) == "success"
        assert read_manifests(folders) == manifests

    # Training and evaluation anew, in other processes: see test_kill.py.
    @pytest.mark.parametrize("task", ["ingest", "threads", "conversations", "vocabulary", "records", "report"])
    def test_whose_dataset_was_lost_makes_the_same_again(
        self, folders: dict[str, Path], run: DagRun, manifests: dict[str, Manifest], task: str
    ) -> None:
        shutil.rmtree(folders[task])
        assert clear_and_run(run, task) == "success"
        again = read_manifest(str(folders[task]))
        assert again.shards == manifests[task].shards
        assert again.digest == manifests[task].digest

    def test_waits_for_its_next_try_while_another_process_writes_the_dataset(self, folders: dict[str, Path], run: DagRun) -> None:
        with writer_lock(str(folders["threads"])):
            assert clear_and_run(run, "threads") == "up_for_retry"
        assert clear_and_run(run, "threads") == "success"


@pytest.mark.usefixtures("impatient")
class TestBadInput:
    def check_fails(self, root: Path, conf: dict[str, Any], task: str) -> None:
        """The run fails in ``task`` at its first try, all after it is given up, and no dataset of the month is there."""
        before = find_datasets(str(root))
        run = run_dag({**TINY, **conf})
        assert run.state == "failed"
        place = TASKS.index(task)
        assert states(run) == {
            **dict.fromkeys(TASKS[:place], "success"),
            task: "failed",
            **dict.fromkeys(TASKS[place + 1 :], "upstream_failed"),
        }
        assert find_datasets(str(root)) == before

    def test_a_truncated_dump_fails_the_ingest_in_one_line(
        self, root: Path, dump: tuple[Path, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = tmp_path / "RC_2006-01.zst"
        source.write_bytes(dump[0].read_bytes()[:8000])
        self.check_fails(root, {"source": str(source), "month": "2006-01"}, "ingest")
        error = self.error(capsys)
        assert error.startswith(f"{source}: truncated: it ends at byte 8000")
        assert "download the file again" in error
        assert not (root / "reddit" / "2006-01").exists()

    @pytest.mark.slow
    def test_a_month_that_is_not_in_the_dump_fails_the_ingest_in_one_line(
        self, root: Path, dump: tuple[Path, int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.check_fails(root, {"source": str(dump[0]), "month": "2006-05"}, "ingest")
        assert f"{dump[0]} holds no comment of 2006-05" in self.error(capsys)
        assert not (root / "reddit" / "2006-05").exists()

    @pytest.mark.slow
    def test_a_folder_as_source_fails_the_sensor_in_one_line(
        self, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.check_fails(root, {"source": str(tmp_path), "month": "2006-01"}, "wait_for_source")
        assert self.error(capsys) == f"{tmp_path} is a folder; name the dump file in it, such as {tmp_path}/RC_2006-01.zst"

    @pytest.mark.slow
    def test_splits_that_do_not_add_up_fail_the_plan_in_one_line(
        self, root: Path, dump: tuple[Path, int], capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.check_fails(root, {"source": str(dump[0]), "train_split": 0.5}, "plan")
        assert "the splits do not add up to 1: train 0.5 + validation 0.05 + test 0.05 = 0.6" in self.error(capsys)

    def error(self, capsys: pytest.CaptureFixture[str]) -> str:
        """The error that the task's log ends with."""
        (line,) = [line for line in capsys.readouterr().out.splitlines() if "AirflowFailException: " in line]
        return line.partition("AirflowFailException: ")[2]
