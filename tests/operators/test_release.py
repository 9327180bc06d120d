"""What is published, and what is not."""

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.context import OutletEventAccessors

from operators.release import PublishOperator, ReportOperator
from tests.conversation_datasets import made_examples, write_conversations
from tests.operators.contexts import context
from threadmill.datasets.manifest import read_manifest

ASSETS = [Asset(name=name, uri=f"threadmill://reddit/{name}") for name in ("conversations", "model")]


@pytest.fixture
def datasets(tmp_path: Path) -> dict[str, str]:
    return {
        asset.name: write_conversations(tmp_path / asset.name, {"train": [made_examples(seed)]})
        for seed, asset in enumerate(ASSETS, 3)
    }


def publish(datasets: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Publishes, and returns what is noted with each asset's event."""
    events = OutletEventAccessors()
    PublishOperator(task_id="publish", datasets=datasets, assets=ASSETS).execute(context({"outlet_events": events}))
    return {asset.name: events[asset].extra for asset in ASSETS}


def test_each_asset_tells_the_place_and_the_digest_of_its_dataset(datasets: dict[str, str]) -> None:
    manifests = {name: read_manifest(uri) for name, uri in datasets.items()}
    assert publish(datasets) == {
        name: {"uri": uri, "digest": manifests[name].digest, "records": manifests[name].records} for name, uri in datasets.items()
    }


def test_the_task_updates_its_assets(datasets: dict[str, str]) -> None:
    assert PublishOperator(task_id="publish", datasets=datasets, assets=ASSETS).outlets == ASSETS


def test_a_damaged_dataset_is_not_published_and_not_tried_again(datasets: dict[str, str]) -> None:
    shard = Path(datasets["model"], "train-00000-of-00001.tfrecord")
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    with pytest.raises(AirflowFailException) as failure:
        publish(datasets)
    assert str(failure.value) == (
        f"{datasets['model']}: {shard.name}: its SHA-256 differs from the manifest's; "
        "delete the folder and clear the task that writes it"
    )


def test_a_dataset_that_is_not_finished_is_not_published(datasets: dict[str, str]) -> None:
    Path(datasets["conversations"], "manifest.json").unlink()
    with pytest.raises(AirflowFailException, match="is no finished dataset"):
        publish(datasets)


def test_a_report_is_of_the_datasets_of_the_run() -> None:
    names = ["comments", "threads", "conversations", "vocabulary", "records", "model", "evaluation"]
    datasets = {name: f"at/{name}" for name in names}
    operator = ReportOperator(task_id="report", uri="report", datasets=datasets, lookback='["at/older"]', earlier=["at/release"])
    stage: Any = operator.make_stage(context(min_examples=7))
    assert stage.comments_uri == ("at/older", "at/comments")
    assert (stage.earlier, stage.config.min_examples) == (("at/release",), 7)
    names.remove("comments")
    assert [getattr(stage, f"{name}_uri") for name in names] == [f"at/{name}" for name in names]
