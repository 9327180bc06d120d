"""Renews what the deployment's files take from the code: `python deploy/generate.py`, after a setting, a permission or a price
changed.

That is docker/env.example and docker-compose.yaml from threadmill/settings.py, deploy/iam.md from
threadmill/doctor/permissions.py, and deploy/prices-2015.md by its own commands. A test says when it is due.
"""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from threadmill.doctor.permissions import APIS, BUCKET, DATASET, GRANTS, IDENTITIES, PROJECT, Grant, apis_of
from threadmill.settings import Settings

TOP = Path(__file__).parents[1]
# In the volume of the data, where .env sets nothing else.
_OF_CONTAINERS = {"root": "/opt/airflow/data", "cache": "/opt/airflow/data/cache"}
_WIDTH = 128
# The shell variables of deploy/iam.md that hold the service accounts.
ACCOUNTS = {
    "orchestrator": "AIRFLOW_SA",
    "dataflow worker": "DATAFLOW_SA",
    "tpu host": "TPU_SA",
    "vertex worker": "VERTEX_SA",
}
# No predefined role is narrower than this one: a role of the project's own has the permissions alone.
_BROAD = "roles/tpu.admin"


def env_example(text: str) -> str:
    """docker/env.example with the settings as they are now."""
    return _between(text, "(?<=from threadmill/settings.py\\.\n)", r"\Z", ["", *_setting_lines(), ""])


def compose_file(text: str) -> str:
    """docker-compose.yaml with the names of the settings as they are now."""
    lines = [f"  {_variable(name)}:{_default_in_containers(name)}" for name in Settings.model_fields]
    return _between(text, r"(?<=x-settings: &settings\n)", r"(?=\n\nx-airflow:)", lines)


def iam_guide(text: str) -> str:
    """deploy/iam.md with the grants as they are now."""
    for part, lines in (("apis", _api_lines()), ("table", _table_lines()), ("commands", _command_lines())):
        text = _between(text, rf"(?<=<!-- {part}: by deploy/generate.py -->\n)", rf"(?=\n<!-- end of {part} -->)", list(lines))
    return text


def price_tables(text: str) -> str:
    """deploy/prices-2015.md with what its commands print now, each under its heading."""
    settings = "\n".join(_block(text, "export "))
    for command in _block(text, "threadmill plan "):
        script = f"{settings}\n{command.replace('threadmill', f'{shlex.quote(sys.executable)} -m threadmill.cli', 1)}"
        environment = {"PATH": os.defpath, "HOME": os.devnull}
        printed = subprocess.run(
            ["bash", "-euc", script], env=environment, cwd=TOP, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        text = _between(text, rf"(?<={re.escape(command)}\n```\n)", r"(?=\n## |\Z)", ["", printed])
    return text


def _block(text: str, beginning: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(beginning)]


GENERATED: dict[str, Callable[[str], str]] = {
    "docker/env.example": env_example,
    "docker-compose.yaml": compose_file,
    "deploy/iam.md": iam_guide,
    "deploy/prices-2015.md": price_tables,
}


def _between(text: str, before: str, after: str, lines: list[str]) -> str:
    new, found = re.subn(f"{before}.*?{after}", lambda _: "\n".join(lines), text, count=1, flags=re.DOTALL)
    assert found, f"there is no place for what is generated: {before}"
    return new


def _default_in_containers(name: str) -> str:
    return f" ${{{_variable(name)}:-{_OF_CONTAINERS[name]}}}" if name in _OF_CONTAINERS else ""


def _variable(name: str) -> str:
    return f"THREADMILL_{name.upper()}"


def _setting_lines() -> Iterator[str]:
    """Each setting's description, and its variable with its default, as a comment to be taken away."""
    for name, field in Settings.model_fields.items():
        description = f"{(field.description or '').rstrip('.')}."
        yield from textwrap.wrap(description, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        default = _OF_CONTAINERS.get(name, field.default)
        yield f"#{_variable(name)}={str(default).lower() if isinstance(default, bool) else default}"


def _api_lines() -> Iterator[str]:
    yield "```sh"
    yield 'gcloud services enable --project "$PROJECT" \\'
    yield " \\\n".join(f"  {api}" for api in apis_of(tuple(APIS)))
    yield "```"


def _table_lines() -> Iterator[str]:
    """A row a grant."""
    yield "| who | for what | where | least permissions | predefined roles | needed with |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for grant in GRANTS:
        place = f"{grant.where} of the {grant.on}" if grant.on else grant.where
        cells = (grant.identity, grant.purpose, place, _codes(grant.permissions), _codes(grant.roles), grant.needed_with)
        yield f"| {' | '.join(cells)} |"


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _command_lines() -> Iterator[str]:
    """For each identity the commands that grant what it needs, each once."""
    for identity, (who, _) in IDENTITIES.items():
        grants = [grant for grant in GRANTS if grant.identity == identity]
        commands = dict.fromkeys(command for grant in grants for command in grant_commands(grant))
        yield from (f"{who[0].upper()}{who[1:]}:", "", "```sh", *commands, "```", "")


def grant_commands(grant: Grant) -> Iterator[str]:
    """The commands of one grant, of gcloud, and for a dataset of bq: GRANT is GoogleSQL's."""
    account = f"serviceAccount:${ACCOUNTS[grant.identity]}"
    for role in grant.roles:
        if grant.where == DATASET:
            statement = f"GRANT \\`{role}\\` ON SCHEMA \\`$PROJECT\\`.\\`$DATASET\\` TO '{account}'"
            yield f'bq --project_id "$PROJECT" --location "$LOCATION" query --nouse_legacy_sql \\\n  "{statement}"'
            continue
        name = role
        if role == _BROAD:
            own = "threadmill" + "".join(word.capitalize() for word in grant.identity.split()) + "Tpu"
            permissions = ",".join(grant.permissions)
            yield f'gcloud iam roles create {own} --project "$PROJECT" --stage GA \\\n  --permissions {permissions}'
            name = f"projects/$PROJECT/roles/{own}"
        yield f'{_grant_on(grant)} \\\n  --member "{account}" --role "{name}"'


def _grant_on(grant: Grant) -> str:
    """The command that grants a role on what a grant is for."""
    if grant.where == PROJECT:
        return 'gcloud projects add-iam-policy-binding "$PROJECT" --condition None'
    if grant.where == BUCKET:
        return 'gcloud storage buckets add-iam-policy-binding "gs://$BUCKET"'
    return f'gcloud iam service-accounts add-iam-policy-binding "${ACCOUNTS[grant.on]}" --project "$PROJECT"'


if __name__ == "__main__":
    for name, renew in GENERATED.items():
        file = TOP / name
        file.write_text(renew(file.read_text()))
