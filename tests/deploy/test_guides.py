"""The guides can be followed line by line: each command has the variables it needs, and what needs no cloud is run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from dotenv import dotenv_values

from tests.deploy.compose import SECRETS
from tests.deploy.guides import Shell, blocks
from threadmill.settings import Settings

CLOUD = ("gcloud", "bq", "threadmill", "airflow", "docker", "git", "curl", "python")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Where a reader followed the cloud guide, with iam.md where it sends there, and then Composer's."""
    shell = Shell(tmp_path_factory.mktemp("guides"), CLOUD)
    for name in ("dist/threadmill-0.1.0-py3-none-any.whl", "airflow-setup/pools.json"):  # which stand-ins do not make
        (shell.folder / name).parent.mkdir()
        (shell.folder / name).touch()
    guide = blocks("gcp.md")
    grants = next(number for number, block in enumerate(guide) if "serviceAccountTokenCreator" in block)
    script = "\n".join([*guide[:grants], *blocks("iam.md"), *guide[grants:], *blocks("composer.md")])
    shell.run(script.replace("| grep imageVersionId", ""))
    return shell


def test_the_cloud_guide_makes_settings_that_are_taken(followed: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"THREADMILL_{name.upper()}", raising=False)
    for name, value in dotenv_values(followed.folder / "threadmill.env").items():
        monkeypatch.setenv(name, value or "")
    settings = Settings()
    assert settings.runs_on == ("dataflow", "bigquery", "tpu")
    assert settings.root == "gs://my-threadmill-threadmill/threadmill"
    assert (settings.region, settings.location) == ("us-central1", "US")
    assert settings.tpu_service_account == "threadmill-tpu@my-threadmill.iam.gserviceaccount.com"


def test_the_cloud_guides_prices_come_without_an_account(followed: Shell) -> None:
    (plans,) = (block for block in blocks("gcp.md") if "threadmill plan --month " in block)
    printed = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"set -a && source threadmill.env && set +a\n{plans}"],
        cwd=followed.folder,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(followed.folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    totals = [float(line.split()[-1]) for line in printed.splitlines() if line.split()[:1] == ["total"]]
    assert len(totals) >= 2
    assert totals[-1] > totals[0] > 1


def test_no_command_of_the_cloud_guide_has_an_empty_word(followed: Shell) -> None:
    calls = followed.calls()
    assert [call for call in calls if "" in call] == []
    assert len([call for call in calls if "add-iam-policy-binding" in call]) > 20
    assert {call[0] for call in calls} >= {"gcloud", "bq", "threadmill", "airflow"}


def test_accounts_are_made_before_they_are_granted_anything(followed: Shell) -> None:
    made: set[str] = set()
    for call in followed.calls():
        if call[1:4] == ["iam", "service-accounts", "create"]:
            made.add(f"serviceAccount:{call[4]}@my-threadmill.iam.gserviceaccount.com")
        granted = [word for word in call if word.startswith("serviceAccount:")]
        assert set(granted) <= made


def test_composer_is_given_the_same_settings(followed: Shell) -> None:
    (variables,) = (call for call in followed.calls() if "--update-env-variables" in call)
    settings = variables[variables.index("--update-env-variables") + 1]
    assert settings.startswith("^|^THREADMILL_PLATFORM=gcp|THREADMILL_ROOT=gs://")
    assert "|THREADMILL_TPU_ZONES=us-central1-a,us-central1-b|" in settings


def test_composer_takes_our_package_and_not_anothers_of_its_name(followed: Shell) -> None:
    conf = (followed.folder / "pip.conf").read_text()
    assert conf == "[global]\nindex-url = https://registry.example/my-threadmill/python/simple/\n"
    ours, public = json.loads((followed.folder / "upstreams.json").read_text())
    assert ours["repository"].endswith("/repositories/threadmill")
    assert ours["priority"] > public["priority"]
    assert (followed.folder / "requirements.txt").read_text() == "threadmill[gcp,train]==0.1.0\n"


def test_the_compose_guide_makes_every_secret(tmp_path: Path) -> None:
    shell = Shell(tmp_path, CLOUD)
    until = [block for block in blocks("compose.md") if "docker/env.example" in block]
    shell.run("\n".join(["export GIT_URL=somewhere", *until]))
    values = dotenv_values(shell.folder / "threadmill" / ".env")
    assert all(re.fullmatch(r"[\w=-]{32,}", values[name] or "") for name in SECRETS)
    assert len({values[name] for name in SECRETS}) == len(SECRETS)
    key = Fernet(values["AIRFLOW__CORE__FERNET_KEY"] or "")
    assert key.decrypt(key.encrypt(b"secret")) == b"secret"
    assert (shell.folder / "threadmill" / ".env").stat().st_mode & 0o077 == 0
