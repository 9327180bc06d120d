from pathlib import Path

import pytest

from tests.deduplication.made import example, write
from threadmill.cli import main
from threadmill.datasets.dataset import Dataset

TEXT = "what do you think of the new library that they have built beside the river this summer"


def test_months_are_deduplicated_one_after_the_other(tmp_path: Path) -> None:
    for month, time in (("1", 10), ("2", 20)):
        write(tmp_path / month / "c", {"train": [[example(month, time, TEXT), example(f"own{month}", time, f"{month} " * 40)]]})
    common = ["--memory-limit", "300MB", "--workers", "1", "--num-bands", "12"]
    for month, earlier in (("1", []), ("2", ["--earlier", str(tmp_path / "1" / "s")])):
        folder = tmp_path / month
        command = ["deduplicate", str(folder / "c"), "--signatures", str(folder / "s"), "--output", str(folder / "d")]
        assert main([*command, *earlier, *common]) == 0
    assert Dataset.open(str(tmp_path / "1" / "d")).manifest.records == 2
    manifest = Dataset.open(str(tmp_path / "2" / "d")).manifest
    assert manifest.records == 1
    assert manifest.config["num_bands"] == 12


def test_other_settings_than_the_stores_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for month in ("1", "2"):
        write(tmp_path / month, {"train": [[example(month, 1, month * 50)]]})
    command = ["--memory-limit", "300MB", "--output", str(tmp_path / "d"), "--signatures"]
    assert main(["deduplicate", str(tmp_path / "1"), *command, str(tmp_path / "s1"), "--deduplication", "exact"]) == 0
    assert main(["deduplicate", str(tmp_path / "2"), *command, str(tmp_path / "s2"), "--earlier", str(tmp_path / "s1")]) == 2
    assert "deduplication is exact, not near" in capsys.readouterr().err.splitlines()[-1]
