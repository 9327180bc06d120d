"""text_corpus on real text, in this process: the recipes, from source to a measured model."""

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from airflow.models.dagrun import DagRun

from tests.airflow_home import REPOSITORY
from tests.dags.airflow_runs import clear_and_run, run_dag, states
from tests.dags.road import TEXT_TASKS, text_folders
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest, read_manifest

DATA = REPOSITORY.parent / "shared" / "data"
TINY: dict[str, Any] = {
    "vocab_size": 600,
    "max_seq_length": 32,
    "steps": 20,
    "warmup_steps": 2,
    "batch_size": 8,
    "model": "bert-tiny",
    "save_every": 0,
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow's use of pathspec
]


@pytest.fixture(scope="module")
def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> DagRun:
    """Of the sample world's comments."""
    return run_dag({**TINY, "sample_comments": 1500, "max_predictions_per_seq": 5, "dupe_factor": 2}, "text_corpus")


@pytest.fixture(scope="module")
def manifests(root: Path, run: DagRun) -> dict[str, Manifest]:
    return {task: read_manifest(str(folder)) for task, folder in text_folders(root, "corpus").items()}


def test_ends_green_with_every_task_and_whole_datasets(run: DagRun, root: Path) -> None:
    assert run.state == "success"
    assert states(run) == dict.fromkeys(TEXT_TASKS, "success")
    for folder in text_folders(root, "corpus").values():
        assert verify(str(folder)) == []
    assert not list((root / "text").rglob(".*")), "no lock, receipt or temporary file"


def test_every_document_is_accounted_for(manifests: dict[str, Manifest]) -> None:
    for manifest in manifests.values():
        counters = manifest.counters
        assert counters.read == counters.kept + sum(counters.dropped.values())
    assert manifests["corpus"].counters.read == 1500
    assert manifests["records"].counters.read == manifests["corpus"].counters.kept
    assert manifests["records"].inputs[0].digest == manifests["corpus"].digest
    assert manifests["records"].inputs[1].digest == manifests["vocabulary"].digest


@pytest.mark.parametrize("task", ["corpus", "vocabulary", "records"])
def test_a_cleared_task_makes_the_same_dataset(run: DagRun, root: Path, manifests: dict[str, Manifest], task: str) -> None:
    folder = text_folders(root, "corpus")[task]
    shutil.rmtree(folder)
    assert clear_and_run(run, task) == "success"
    assert read_manifest(str(folder)).digest == manifests[task].digest


def test_a_source_that_is_not_there_fails_at_once(root: Path) -> None:
    run = run_dag({**TINY, "name": "none", "source": "/nowhere/text.txt"}, "text_corpus")
    assert run.state == "failed"
    assert states(run)["plan"] == "failed"


RECIPES = {
    "qarib": (
        DATA / "arabic" / "ar_lines.txt",
        {"vocab_size": 3000, "max_predictions_per_seq": 5, "dupe_factor": 2, "steps": 300},
    ),
    "allegro": (DATA / "amazon", {"vocab_size": 3000, "model": "roberta-tiny", "steps": 300}),
    "bert": (DATA / "text", {"vocab_size": 4000, "max_predictions_per_seq": 5, "dupe_factor": 2, "steps": 300}),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_on_its_real_text_to_below_the_unigram_model(root: Path, recipe: str) -> None:
    source, settings = RECIPES[recipe]
    if not source.exists():
        pytest.skip("the real data is not here")
    conf = {**TINY, **settings, "name": recipe, "source": str(source), "recipe": recipe, "batch_size": 32, "warmup_steps": 30}
    run = run_dag(conf, "text_corpus")
    assert run.state == "success"
    folders = text_folders(root, recipe)
    assert Dataset.open(str(folders["corpus"])).splits() == ["train", "validation"]
    scores = orjson.loads((folders["evaluate"] / "evaluation.json").read_bytes())
    assert scores["masked_loss"] < scores["unigram_loss"]
