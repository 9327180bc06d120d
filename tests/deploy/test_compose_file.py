"""docker-compose.yaml as it is written; `docker compose config` judges it in test_compose_config.py."""

import re
from typing import Any

import pytest
import yaml

from tests.airflow_home import REPOSITORY
from tests.deploy.compose import COMPOSE_FILE, ENV_EXAMPLE, SECRETS

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
TEXT = COMPOSE_FILE.read_text()
OVERLAY = REPOSITORY / "docker" / "google-key.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(TEXT)["services"]
    return read


def test_the_components_are_those_of_airflow_3(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "init", *COMPONENTS}
    assert [services[name]["command"] for name in COMPONENTS] == [["airflow", name] for name in COMPONENTS]


def test_nothing_secret_is_in_it() -> None:
    for name in SECRETS:
        assert re.findall(rf"\$\{{{name}(?!:\?)", TEXT) == [], f"{name} has a default"
        assert f"${{{name}:?" in TEXT


def test_every_variable_of_it_is_explained_in_env_example() -> None:
    named = set(re.findall(r"\$\{(\w+)", TEXT + OVERLAY.read_text()))
    explained = set(re.findall(r"^#?(\w+)=", ENV_EXAMPLE.read_text(), flags=re.MULTILINE)) - {"COMPOSE_FILE"}
    assert named <= explained
    assert {name for name in explained - named if not name.startswith("THREADMILL_")} == set()


def test_secrets_are_not_set_in_env_example() -> None:
    lines = ENV_EXAMPLE.read_text().splitlines()
    assert [name for name in SECRETS if f"{name}=" not in lines] == []


def test_tasks_and_components_share_what_signs_their_tokens(services: dict[str, Any]) -> None:
    for name in ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY"):
        assert len({services[component]["environment"][name] for component in (*COMPONENTS, "init")}) == 1


def test_only_init_knows_the_administrators_password(services: dict[str, Any]) -> None:
    knowing = [name for name, service in services.items() if "AIRFLOW_ADMIN_PASSWORD" in service["environment"]]
    assert knowing == ["init"]
    assert [name for name, service in services.items() if any("auth:" in volume for volume in service["volumes"])] == [
        "init",
        "api-server",
    ]


def test_ports_are_open_on_this_machine_only(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(ports) == ["api-server"]
    assert all(port.startswith("127.0.0.1:") for port in ports["api-server"])


def test_what_runs_for_long_is_watched_restarted_and_bounded(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["restart"] == ("no" if name == "init" else "unless-stopped")
        assert ("healthcheck" in service) == (name != "init")
        assert service["deploy"]["resources"]["limits"]["memory"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["logging"]["options"]["max-size"]


def test_components_wait_until_the_database_is_ready_and_migrated(services: dict[str, Any]) -> None:
    for name in COMPONENTS:
        waits = {other: entry["condition"] for other, entry in services[name]["depends_on"].items()}
        assert waits["postgres"] == "service_healthy"
        assert waits["init"] == "service_completed_successfully"
        assert name == "api-server" or waits["api-server"] == "service_healthy"


def test_named_volumes_and_folders_of_the_image_are_the_same(services: dict[str, Any]) -> None:
    image = (REPOSITORY / "docker" / "airflow.Dockerfile").read_text()
    declared = set(yaml.safe_load(TEXT)["volumes"])
    for service in services.values():
        for volume in service["volumes"]:
            name, folder, *_ = volume.split(":")
            assert name in declared
            assert folder.startswith("/var/lib/postgresql") or f" {folder}" in image, f"the image does not make {folder}"
