"""A year's comments month by month, each month with those before as context, against all of them at once."""

from collections import Counter
from pathlib import Path

import pytest

from tests.conversations.worlds import examples_of, make_conversations
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.sample import write_sample
from threadmill.datasets.dataset import Dataset
from threadmill.engine.run import run_stage

LOOKBACK = 6  # months, which no thread of the sample world spans

Examples = Counter[tuple[str, frozenset[tuple[str, str]]]]


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The comments dataset of each month of a year."""
    folder = tmp_path_factory.mktemp("year")
    datasets = {}
    for path in write_sample(str(folder), comments=4000, months=12):
        month = Path(path).name[3:10]
        datasets[month] = str(folder / month)
        run_stage(IngestStage((str(path),)), datasets[month], workers=1)
    return datasets


def examples(dataset: Dataset) -> Examples:
    """Each example, with its split."""
    found = examples_of(dataset).items()
    return Counter((split, frozenset(example.items())) for split, rows in found for example in rows)


@pytest.mark.parametrize("preset", ["default", "polyai", "blender"])
def test_twelve_monthly_runs_together_equal_one_run_over_the_year(months: dict[str, str], preset: str, tmp_path: Path) -> None:
    year = examples(make_conversations(tmp_path / "year", list(months.values()), preset, format="jsonl"))
    names = sorted(months)
    monthly: Examples = Counter()
    context_only = 0
    for index, month in enumerate(names):
        inputs = [months[name] for name in names[max(0, index - LOOKBACK) : index + 1]]
        dataset = make_conversations(tmp_path / month, inputs, preset, format="jsonl", month=month)
        monthly += examples(dataset)
        context_only += dataset.manifest.counters.dropped.get("context_only", 0)
    assert monthly == year
    assert len(year) > 500
    alone = examples(make_conversations(tmp_path / "alone", [months[names[-1]]], preset, format="jsonl"))
    assert alone - year  # months are not apart: without those before, turns are missing
    assert context_only > 4000
