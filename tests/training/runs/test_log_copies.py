from pathlib import Path

import pytest

from tests.datasets.object_store import ObjectStore
from threadmill.errors import CheckpointError
from threadmill.training.runs.log_copies import LogCopies


def test_missing_files_have_no_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectStore, "objects", {})  # whatever other tests have left
    copies = LogCopies([str(tmp_path / "losses.jsonl")], "objects://logs/run")
    copies.fetch()
    copies.publish()

    assert not ObjectStore.objects
    assert not list(tmp_path.iterdir())


def test_place_out_of_reach_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"^no-such-store://bucket/losses.jsonl is not read \(ValueError: Protocol not known"
    ):
        LogCopies([str(tmp_path / "losses.jsonl")], "no-such-store://bucket").fetch()
