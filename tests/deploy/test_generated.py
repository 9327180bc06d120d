"""What the deployment's files take from the code is as the code has it, and names nothing that is not there."""

import re
import subprocess
from pathlib import Path

import pytest

from deploy.generate import ACCOUNTS, GENERATED, grant_commands
from tests.airflow_home import REPOSITORY
from threadmill.doctor.permissions import DATASET, GRANTS, IDENTITIES
from threadmill.settings import Settings

GUIDES = sorted((REPOSITORY / "deploy").glob("*.md"))
VARIABLES = {f"THREADMILL_{name.upper()}" for name in Settings.model_fields}
# Of tests and emulators, which a guide may name and no deployment sets.
OTHERS = {"THREADMILL_DATAFLOW_ENDPOINT", "THREADMILL_TPU_ENDPOINT", "THREADMILL_VERTEX_ENDPOINT"}


@pytest.mark.parametrize("name", GENERATED)
def test_a_file_is_as_the_code_has_it(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert GENERATED[name](text) == text, "run `python deploy/generate.py`"


def test_env_example_has_every_setting_once() -> None:
    text = (REPOSITORY / "docker" / "env.example").read_text()
    named = re.findall(r"^#?(THREADMILL_\w+)=", text, flags=re.MULTILINE)
    assert sorted(named) == sorted(VARIABLES)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_a_guide_names_settings_that_there_are(guide: Path) -> None:
    named = set(re.findall(r"\bTHREADMILL_[A-Z0-9_]*[A-Z0-9]\b(?!\*)(?!_)", guide.read_text()))
    assert not named - VARIABLES - OTHERS


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_a_guides_links_lead_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", guide.read_text())
    assert [link for link in links if not (guide.parent / link).exists()] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_a_guides_commands_are_shell(guide: Path) -> None:
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", guide.read_text(), flags=re.MULTILINE | re.DOTALL):
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert checked.returncode == 0, f"{checked.stderr}{block}"


def test_every_identity_has_a_variable_for_its_account() -> None:
    assert set(ACCOUNTS) == set(IDENTITIES)
    guide = (REPOSITORY / "deploy" / "iam.md").read_text()
    assert [name for name in ACCOUNTS.values() if f"export {name}=" not in guide] == []


def test_every_permission_is_granted_by_a_command() -> None:
    commands = {command for grant in GRANTS for command in grant_commands(grant)}
    guide = (REPOSITORY / "deploy" / "iam.md").read_text()
    assert [command for command in commands if command not in guide] == []
    for grant in GRANTS:
        granted = "\n".join(grant_commands(grant))
        assert f"${ACCOUNTS[grant.identity]}" in granted
        assert all(role in granted or all(name in granted for name in grant.permissions) for role in grant.roles)


def test_a_datasets_grant_is_googlesql_once_the_shell_has_read_it() -> None:
    (command,) = (command for grant in GRANTS if grant.where == DATASET for command in grant_commands(grant))
    values = "PROJECT=p1 DATASET=threadmill LOCATION=US AIRFLOW_SA=a@p1.iam.gserviceaccount.com"
    script = f"{values}\nbq() {{ printf '%s\\n' \"$@\"; }}\n{command}"  # which prints what bq would be given
    printed = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.splitlines()[-1] == (
        "GRANT `roles/bigquery.dataEditor` ON SCHEMA `p1`.`threadmill` TO 'serviceAccount:a@p1.iam.gserviceaccount.com'"
    )
