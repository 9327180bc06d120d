"""threadmill plan."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pricing.test_spending import JOB, QUERY, finished
from threadmill.cli import main
from threadmill.settings import get_settings


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in (("PLATFORM", "gcp"), ("ROOT", "gs://bucket/root"), ("REGION", "us-central1")):
        monkeypatch.setenv(f"THREADMILL_{name}", value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["plan", *arguments, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_month_and_a_year_are_priced_with_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--month", "2015-05"]) == 0
    month = capsys.readouterr().out
    assert month.startswith("reddit_refresh 2015-05: $")
    assert "https://cloud.google.com/bigquery/pricing" in month
    assert main(["plan", "--months", "2015-01..2015-12", "--markdown"]) == 0
    year = capsys.readouterr().out
    assert year.startswith("**12 runs of reddit_refresh, 2015-01..2015-12: $")


def test_runs_of_months_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [plan(capsys, "--month", month)["total"] for month in ("2015-01", "2015-02")]
    assert plan(capsys, "--months", "2015-01..2015-02")["total"] == pytest.approx(sum(map(float, map(str, parts))), abs=0.02)


def test_one_run_over_all_tables_reads_them_from_bigquery(capsys: pytest.CaptureFixture[str]) -> None:
    found = plan(capsys, "--tables", "^2015_", "--lookback-months", "0")
    lines = found["lines"]
    assert isinstance(lines, list)
    assert ("ingest", "BigQuery queries") in [(line["stage"], line["item"]) for line in lines]
    assert found["name"] == "reddit_refresh over the 12 tables ^2015_"


def test_settings_of_records_and_model_count(capsys: pytest.CaptureFixture[str]) -> None:
    small = plan(capsys, "--month", "2015-05")
    large = plan(capsys, "--month", "2015-05", "--model", "bert-large", "--steps", "100000", "--batch-size", "256")
    assert float(str(large["total"])) > 2 * float(str(small["total"]))


def test_a_plan_over_the_budget_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--month", "2015-05", "--budget", "1"]) == 1
    assert "over the budget of $1.00" in capsys.readouterr().out


def test_what_a_run_has_cost_is_told_by_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished(tmp_path / "threads", QUERY)
    finished(tmp_path / "conversations", JOB)
    found = plan(capsys, "--spent", str(tmp_path))
    assert found["total"] == pytest.approx(6.25 + 0.56 + 0.14 + 0.01, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--months", "2015"], "write the first and the last"),
        (["--months", "2015-12..2015-01"], "go backwards"),
        (["--month", "May"], "write it as YYYY-MM"),
        (["--month", "2015-05", "--objective", "causal", "--max-predictions-per-seq", "20"], "have no --max-predictions-per-seq"),
        (["--spent", "/nowhere"], "does not exist"),
        (["--tables", "^1999"], "names no month"),
    ],
)
def test_a_slip_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
