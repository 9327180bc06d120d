from collections.abc import Callable, Iterator

import pytest

from operators.pools import pool_file, pool_of
from threadmill.errors import ConfigError
from threadmill.settings import get_settings


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    def change(name: str, value: str) -> None:
        monkeypatch.setenv(f"THREADMILL_{name}", value)
        get_settings.cache_clear()

    for name in ("PLATFORM", "ENGINE", "WAREHOUSE", "TRAINER", "POOLS"):
        monkeypatch.delenv(f"THREADMILL_{name}", raising=False)
    get_settings.cache_clear()
    yield change
    get_settings.cache_clear()


def test_work_done_here_runs_in_the_pool_that_every_airflow_has(setting: Callable[[str, str], None]) -> None:
    assert {pool_of("engine"), pool_of("warehouse"), pool_of("trainer")} == {"default_pool"}
    setting("ENGINE", "beam")
    assert pool_of("engine") == "default_pool"


def test_remote_work_runs_in_the_pool_of_its_service(setting: Callable[[str, str], None]) -> None:
    setting("PLATFORM", "gcp")
    assert [pool_of("engine"), pool_of("warehouse"), pool_of("trainer")] == ["dataflow", "bigquery", "tpu"]
    setting("TRAINER", "vertex")
    assert pool_of("trainer") == "vertex"


def test_every_pool_that_a_task_can_name_is_made(setting: Callable[[str, str], None]) -> None:
    setting("PLATFORM", "gcp")
    assert {pool_of("engine"), pool_of("warehouse"), pool_of("trainer"), "vertex"} == set(pool_file())


def test_a_deferred_task_keeps_its_slot(setting: Callable[[str, str], None]) -> None:
    assert all(pool["include_deferred"] for pool in pool_file().values())


def test_slots_are_a_setting(setting: Callable[[str, str], None]) -> None:
    setting("POOLS", "tpu=2, bigquery=20")
    slots = {name: pool["slots"] for name, pool in pool_file().items()}
    assert slots == {"bigquery": 20, "dataflow": 4, "tpu": 2, "vertex": 1}


@pytest.mark.parametrize("entry", ["tpu", "tpu=", "tpu=0", "tpu=-1", "gpu=1", "tpu=two"])
def test_a_wrong_entry_is_named(setting: Callable[[str, str], None], entry: str) -> None:
    setting("POOLS", f"dataflow=2,{entry}")
    with pytest.raises(ConfigError, match=f"THREADMILL_POOLS has '{entry}'"):
        pool_file()
