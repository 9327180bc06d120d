"""reddit_refresh trains a model that converses: it ranks replies, and answers in the terminal."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.dags.airflow_runs import run_dag
from tests.dags.road import dataset_folders

MONTH = "2006-01"
PAIRS: dict[str, Any] = {
    **{"month": MONTH, "source": "sample", "sample_comments": 40_000, "vocab_size": 2048},
    **{"objective": "seq2seq", "max_seq_length": 64, "max_target_length": 32},
    **{"steps": 1000, "batch_size": 8, "learning_rate": 4e-3, "dropout": 0.0, "ranking_contexts": 200},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow's use of pathspec
]


def test_the_right_reply_of_a_hundred_ranks_first_far_above_chance_and_the_model_answers(root: Path) -> None:
    assert run_dag(PAIRS).state == "success"
    folders = dataset_folders(root, MONTH)

    scores = orjson.loads((folders["evaluate"] / "evaluation.json").read_bytes())
    assert (scores["ranking_candidates"], scores["ranking_chance"]) == (100, 0.01)
    assert scores["ranking_accuracy"] > 0.1
    assert scores["response_loss"] < scores["unigram_loss"] - 1
    assert f"{scores['ranking_accuracy']:.1%}" in (folders["report"] / "report.html").read_text()
    assert "ranking" in (folders["export"] / "README.md").read_text().lower()
    answers = replies(["Is the drum kit any good?", "Why did the camel commute with the gravel bike?"], folders["train"])
    assert len(answers) == len(set(answers)) == 2, "another reply to another context"
    assert all(answers)


def replies(contexts: list[str], model: Path) -> list[str]:
    command = [sys.executable, "-m", "threadmill.cli", "generate", str(model)]
    return subprocess.run(command, input="\n".join(contexts), capture_output=True, text=True, check=True).stdout.splitlines()
