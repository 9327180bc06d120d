"""What is left over on Cloud TPU and Vertex AI; BigQuery's and Dataflow's part is tested with their own fakes."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.vertex import FakeVertex
from tests.training.remote.cloud import OUTPUT, SITE, Cloud, Work, made_cloud
from tests.training.remote.test_phase import wait_until_gone
from threadmill.cloud import leaks
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.leaks import Search, find_leaks, remove, search
from threadmill.engine.run import stage_steps
from threadmill.engine.site import Site
from threadmill.errors import RemoteWorkError
from threadmill.settings import get_settings
from threadmill.training.remote import vertex_client

NOW = timedelta(0)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    accelerators = {name: leaks._FINDERS[name] for name in ("Cloud TPU", "Vertex AI")}
    monkeypatch.setattr(leaks, "_FINDERS", accelerators)
    monkeypatch.setattr(vertex_client, "_FIRST_WAIT", 0.01)
    with made_cloud(tmp_path, monkeypatch) as made:
        yield made


def leave_tpu(cloud: Cloud) -> str:
    """A launcher that asked for a TPU, and died."""
    return str(next(stage_steps(Work(), OUTPUT, site=SITE)).handle["name"])


def test_tpu_that_nobody_waits_for_is_found_and_removed(cloud: Cloud) -> None:
    name = leave_tpu(cloud)
    (leak,) = find_leaks(NOW)

    assert (leak.kind, leak.name) == ("tpu", name)
    assert leak.labels["threadmill_dag"] == "refresh"
    assert remove(leak, dry_run=True).startswith(f"would remove tpu {name}, 0.0 hours old of refresh, manual__1")
    assert cloud.tpu.ledger.existing
    assert remove(leak).startswith("removed tpu")
    remove(leak)  # once more does no harm
    wait_until_gone(cloud)
    assert cloud.tpu.ledger.existing == []
    assert find_leaks(NOW) == []


def test_what_is_young_or_of_a_run_that_goes_on_is_no_leak(cloud: Cloud) -> None:
    leave_tpu(cloud)

    def is_over(labels: Mapping[str, str]) -> bool:
        return labels["threadmill_run"] != "manual__1"

    assert find_leaks(timedelta(hours=1)) == []
    assert find_leaks(NOW, is_over) == []
    assert len(find_leaks(NOW, lambda labels: not is_over(labels))) == 1


def test_what_is_not_ours_is_left_alone(cloud: Cloud) -> None:
    name = leave_tpu(cloud)
    cloud.tpu._resources[name].message.name = name.replace("threadmill-", "somebody-")

    assert find_leaks(NOW) == []


def test_every_zone_and_page_is_looked_at(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for zone in ("us-west4-a", "us-central1-a"):
        monkeypatch.setenv("THREADMILL_TPU_ZONES", zone)
        get_settings.cache_clear()
        for number in range(3):
            site = Site(RunIdentity("refresh", "manual__1", f"{zone}{number}"), trainer="tpu")
            next(stage_steps(Work(), f"gs://bucket/{zone}-{number}", site=site))
    monkeypatch.setenv("THREADMILL_TPU_ZONES", "us-west4-a,us-central1-a")
    get_settings.cache_clear()

    assert len(find_leaks(NOW)) == 6


def test_zone_that_does_not_answer_hides_no_others_leaks(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_tpu(cloud)
    monkeypatch.setenv("THREADMILL_TPU_ZONES", "us-central1-a,us-west4-a")
    get_settings.cache_clear()
    cloud.tpu.faults.add("tpu.ListQueuedResources", "403")
    found = search(NOW)

    assert len(found.leaks) == 1
    assert "TPUs in us-central1-a" in found.faults[0]
    cloud.tpu.faults.add("tpu.ListQueuedResources", "403")
    with pytest.raises(RemoteWorkError, match=r"not looked for everywhere: TPUs in us-central1-a: .*roles/tpu\.admin"):
        find_leaks(NOW)


def test_services_that_the_settings_do_not_use_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_ENGINE", "beam")
    monkeypatch.setenv("THREADMILL_BEAM_RUNNER", "FlinkRunner")
    monkeypatch.setenv("THREADMILL_REGION", "us-west4")
    get_settings.cache_clear()
    assert search(NOW) == Search((), ())  # nowhere are there credentials
    get_settings.cache_clear()


def test_job_of_vertex_is_found_and_cancelled(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeVertex() as vertex:
        monkeypatch.setenv("THREADMILL_VERTEX_ENDPOINT", vertex.endpoint)
        monkeypatch.setenv("THREADMILL_REGION", "us-west4")
        monkeypatch.setenv("THREADMILL_VERTEX_IMAGE", "image")
        get_settings.cache_clear()
        next(stage_steps(Work(), OUTPUT, site=Site(SITE.identity, trainer="vertex")))
        (leak,) = find_leaks(NOW)
        remove(leak)

        assert leak.kind == "vertex_job"
        assert vertex.active == []
