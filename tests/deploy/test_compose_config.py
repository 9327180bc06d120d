"""docker-compose.yaml by docker compose's own `config`: the specification's schema, interpolation, consistency."""

from pathlib import Path

import pytest

from tests.airflow_home import REPOSITORY
from tests.deploy.compose import COMPOSE_FILE, SECRETS, config, run_config, write_env
from threadmill.settings import Settings

pytestmark = pytest.mark.cloud  # for the tool that `make test-cloud` makes

ENV = {name: f"value-of-{name.lower()}" for name in SECRETS}


def test_it_is_valid_with_the_secrets_alone(tmp_path: Path) -> None:
    services = config(write_env(tmp_path / "env", ENV))["services"]
    assert len(services) == 6
    environment = services["scheduler"]["environment"]
    assert environment["AIRFLOW__API_AUTH__JWT_SECRET"] == "value-of-airflow__api_auth__jwt_secret"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith(
        "postgresql+psycopg2://airflow:value-of-postgres_password@"
    )
    assert services["api-server"]["ports"][0]["host_ip"] == "127.0.0.1"


@pytest.mark.parametrize("missing", SECRETS)
def test_a_secret_that_is_not_set_is_named(tmp_path: Path, missing: str) -> None:
    refused = run_config(write_env(tmp_path / "env", {name: value for name, value in ENV.items() if name != missing}))
    assert refused.returncode != 0
    assert f"required variable {missing} is missing a value: set it in .env" in refused.stderr


def test_a_setting_of_the_env_file_reaches_every_component(tmp_path: Path) -> None:
    services = config(write_env(tmp_path / "env", {**ENV, "THREADMILL_PLATFORM": "gcp", "THREADMILL_ROOT": "gs://b/t"}))[
        "services"
    ]
    for name in ("init", "api-server", "scheduler", "dag-processor", "triggerer"):
        environment = services[name]["environment"]
        assert (environment["THREADMILL_PLATFORM"], environment["THREADMILL_ROOT"]) == ("gcp", "gs://b/t")
        assert {key for key in environment if key.startswith("THREADMILL_")} == {
            f"THREADMILL_{name.upper()}" for name in Settings.model_fields
        }


def test_a_key_reaches_only_the_components_that_call_google_cloud(tmp_path: Path) -> None:
    overlay = REPOSITORY / "docker" / "google-key.yaml"
    values = {**ENV, "GOOGLE_KEY_FILE": "/somewhere/key.json"}
    merged = config(write_env(tmp_path / "env", values), COMPOSE_FILE, overlay)
    given = {name for name, service in merged["services"].items() if service.get("secrets")}
    assert given == {"api-server", "scheduler", "triggerer"}
    assert merged["secrets"]["google-key"]["file"] == "/somewhere/key.json"
    for name in given:
        assert merged["services"][name]["environment"]["GOOGLE_APPLICATION_CREDENTIALS"] == "/run/secrets/google-key"
