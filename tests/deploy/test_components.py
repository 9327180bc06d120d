"""docker-compose.yaml's components on a PostgreSQL server of Debian's, as processes, and a DAG run through the REST API."""

import json
import stat
import tempfile
import urllib.error
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import DAGS, REPOSITORY
from tests.dags.road import TASKS, dataset_folders
from tests.deploy.api import Api
from tests.deploy.compose import config, write_env
from tests.deploy.guides import Shell, block_with
from tests.deploy.postgres import PostgresServer, free_port
from tests.deploy.services import Services, processes_with
from threadmill.datasets.dataset import verify

pytestmark = pytest.mark.cloud  # its time and its tools are those of `make test-cloud`

PASSWORD = "correcthorsebatterystaple"
ENV = {
    "POSTGRES_PASSWORD": "0123456789abcdef",
    "AIRFLOW_ADMIN_PASSWORD": PASSWORD,
    "AIRFLOW__CORE__FERNET_KEY": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "AIRFLOW__API_AUTH__JWT_SECRET": "0123456789abcdef" * 4,
    "AIRFLOW__API__SECRET_KEY": "fedcba9876543210" * 4,
    "AIRFLOW_PARALLELISM": "2",
    "AIRFLOW_USERS": "admin:admin,reader:viewer",
    "THREADMILL_WORKERS": "1",
    "THREADMILL_POOLS": "tpu=2",
}
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
EXPECTED_DAGS = {"deferred_wait", *(path.stem for path in DAGS.glob("*.py"))}
MONTH = "2006-01"
GUIDES_CONF = '{"month": "2006-01"}'
TINY: dict[str, Any] = {
    "source": "sample",
    "month": MONTH,
    "sample_comments": 3_000,
    "vocab_size": 500,
    "max_seq_length": 64,
    "max_predictions_per_seq": 10,
    "dupe_factor": 2,
    "batch_size": 8,
    "steps": 10,
}


@dataclass
class Deployment:
    """What runs: the services, their database, their Airflow home, and the API with the administrator's token."""

    services: Services
    database: PostgresServer
    home: Path
    api: Api


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="threadmill-deploy-") as folder:
        home = Path(folder, "airflow")
        for name in ("auth", "data", "logs"):
            (home / name).mkdir(parents=True)
        resolved = config(write_env(Path(folder, "env"), ENV))
        made = resolved["services"]["postgres"]["environment"]
        with PostgresServer(made["POSTGRES_USER"], made["POSTGRES_DB"], made["POSTGRES_PASSWORD"]) as database:
            port = free_port()
            services = Services(resolved, _places(home, database.port, port), _extra(home, database, port), Path(folder))
            try:
                yield _started(Deployment(services, database, home, Api(f"http://127.0.0.1:{port}")))
            finally:
                services.stop_all()


def _places(home: Path, database_port: int, api_port: int) -> dict[str, str]:
    return {
        "http://api-server:8080": f"http://127.0.0.1:{api_port}",
        "http://localhost:8080": f"http://127.0.0.1:{api_port}",
        "postgres:5432": f"127.0.0.1:{database_port}",
        "/opt/airflow": str(home),
        "/opt/threadmill": str(REPOSITORY),
    }


def _extra(home: Path, database: PostgresServer, api_port: int) -> dict[str, str]:
    bundles = [
        {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": str(folder)}}
        for name, folder in (("dags", DAGS), ("test", Path(__file__).parent / "dags"))
    ]
    return {
        "AIRFLOW_HOME": str(home),  # of the image
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api_port),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # unpaused, a DAG would first run the month before's
        "PGHOST": "127.0.0.1",
        "PGPORT": str(database.port),
        "PYTHONWARNINGS": "ignore",
    }


def _started(deployment: Deployment) -> Deployment:
    services = deployment.services
    assert services.is_healthy("postgres")
    services.run("init")
    assert not any(services.is_healthy(name) for name in COMPONENTS), "a healthcheck passes though nothing runs"
    for name in COMPONENTS:
        services.start(name)
    services.wait_until_healthy(*COMPONENTS)
    deployment.api.log_in("admin", PASSWORD)
    deployment.api.wait_for_dags(EXPECTED_DAGS, seconds=300)
    return deployment


def test_init_makes_pools_and_the_connection(deployment: Deployment) -> None:
    pools = {pool["name"]: pool for pool in deployment.api.call("GET", "/api/v2/pools")["pools"]}
    assert {name: pool["slots"] for name, pool in pools.items() if name != "default_pool"} == {
        "bigquery": 8,
        "dataflow": 4,
        "tpu": 2,
        "vertex": 1,
    }
    assert all(pools[name]["include_deferred"] for name in ("bigquery", "dataflow", "tpu", "vertex"))
    connection = deployment.api.call("GET", "/api/v2/connections/google_cloud_default")
    assert connection["conn_type"] == "google_cloud_platform"
    assert not connection["password"]


def test_init_again_keeps_what_people_changed(deployment: Deployment) -> None:
    path = "/api/v2/connections/google_cloud_default"
    changed = {"connection_id": "google_cloud_default", "conn_type": "google_cloud_platform", "description": "ours"}
    deployment.api.call("PATCH", f"{path}?update_mask=description", changed)
    passwords = _passwords(deployment)
    deployment.services.run("init")
    assert deployment.api.call("GET", path)["description"] == "ours"
    assert _passwords(deployment) == passwords
    assert deployment.database.query("SELECT count(*) FROM connection") == [(1,)]


def _passwords(deployment: Deployment) -> dict[str, str]:
    file = deployment.home / "auth" / "passwords.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    passwords: dict[str, str] = json.loads(file.read_text())
    return passwords


def test_the_administrators_password_is_that_of_the_env_file_and_others_get_one(deployment: Deployment) -> None:
    passwords = _passwords(deployment)
    assert passwords["admin"] == PASSWORD
    assert PASSWORD not in deployment.services.printed("api-server")
    reader = Api(deployment.api.url)
    reader.log_in("reader", passwords["reader"])
    assert reader.dags() >= EXPECTED_DAGS
    with pytest.raises(urllib.error.HTTPError) as refused:
        reader.call("PATCH", "/api/v2/dags/reddit_refresh", {"is_paused": False})
    assert refused.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as unknown:
        reader.log_in("admin", "wrong")
    assert unknown.value.code == 401


def test_nobody_sees_anything_without_a_token(deployment: Deployment) -> None:
    anonymous = Api(deployment.api.url)
    assert anonymous.status("/api/v2/dags") == 401
    assert anonymous.status("/threadmill/") == 401


def test_every_dag_is_read_without_errors(deployment: Deployment) -> None:
    assert deployment.api.call("GET", "/api/v2/importErrors")["import_errors"] == []
    assert deployment.api.dags() >= EXPECTED_DAGS


def test_a_deferred_task_is_resumed_by_the_triggerer(deployment: Deployment) -> None:
    run = deployment.api.trigger("deferred_wait", {})
    state = deployment.api.wait_for_end("deferred_wait", run, seconds=600)
    log = deployment.api.task_log("deferred_wait", run, "wait")
    assert state == "success", log[-5000:] + deployment.services.printed("scheduler")[-5000:]
    assert log.index("handed to the triggerer") < log.index("resumed by the triggerer")


def test_a_run_of_the_whole_dag_ends_green(deployment: Deployment, tmp_path: Path) -> None:
    run = _trigger_as_the_guide_does(deployment, tmp_path)
    state = deployment.api.wait_for_end("reddit_refresh", run, seconds=2400)
    states = deployment.api.task_states("reddit_refresh", run)
    wrong = {task: deployment.api.task_log("reddit_refresh", run, task)[-3000:] for task in states if states[task] == "failed"}
    assert not wrong
    assert state == "success"
    assert set(TASKS) <= set(states)
    assert set(states.values()) <= {"success", "skipped"}
    folders = dataset_folders(deployment.home / "data", MONTH)
    assert [problem for folder in folders.values() for problem in verify(str(folder))] == []
    assert '"task_id":"train"' in deployment.api.task_log("reddit_refresh", run, "train")
    assert f"reddit/{MONTH}/model" in deployment.api.text("GET", "/threadmill/")


def _trigger_as_the_guide_does(deployment: Deployment, folder: Path) -> str:
    """Runs the commands of deploy/compose.md that trigger a run, with smaller params; the id of the run."""
    commands = block_with("compose.md", "/auth/token")
    assert commands.count(GUIDES_CONF) == 1
    write_env(folder / ".env", ENV)
    commands = commands.replace(GUIDES_CONF, json.dumps(TINY)).replace("http://localhost:8080", deployment.api.url)
    Shell(folder, stand_ins=()).run(commands)
    run_id: str = json.loads((folder / "run.json").read_text())["dag_run_id"]
    return run_id


def test_a_component_that_stops_is_unhealthy_and_no_process_is_left(deployment: Deployment) -> None:
    deployment.services.stop("triggerer")
    assert not deployment.services.is_healthy("triggerer")
    assert deployment.services.is_healthy("scheduler")
    deployment.services.stop_all()
    assert list(processes_with("AIRFLOW_HOME", str(deployment.home))) == []
