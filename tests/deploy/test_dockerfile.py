import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.airflow_home import REPOSITORY

DOCKERFILE = REPOSITORY / "docker" / "airflow.Dockerfile"
TEXT = DOCKERFILE.read_text()


def _copied() -> list[str]:
    """What the image takes from the checkout."""
    sources = [match.split()[:-1] for match in re.findall(r"^COPY (?!--from)(.*)$", TEXT, flags=re.MULTILINE)]
    return [name for names in sources for name in names]


def test_what_the_image_is_made_of_is_there_and_is_sent_to_the_engine() -> None:
    sent = [line[1:] for line in _ignore_lines() if line.startswith("!")]
    assert [name for name in _copied() if not (REPOSITORY / name).exists()] == []
    assert [name for name in _copied() if not any(fnmatch(name, pattern) for pattern in sent)] == []


def test_nothing_else_is_sent_to_the_engine() -> None:
    lines = _ignore_lines()
    assert lines[0] == "*"
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(set(_copied()))


def _ignore_lines() -> list[str]:
    text = Path(f"{DOCKERFILE}.dockerignore").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_it_runs_as_nobody_in_particular() -> None:
    assert re.findall(r"^USER (.*)$", TEXT, flags=re.MULTILINE)[-1] == "50000:0"


def test_every_extra_that_it_installs_is_ours() -> None:
    extras = re.findall(r"--extra (\S+)", TEXT)
    declared = (REPOSITORY / "pyproject.toml").read_text()
    assert [extra for extra in extras if f"\n{extra} = [" not in declared] == []
    assert {"airflow", "airflow-gcp", "gcp", "postgres", "train"} <= set(extras)


@pytest.mark.cloud
@pytest.mark.parametrize("file", sorted((REPOSITORY / "docker").glob("*.Dockerfile")), ids=lambda file: file.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    tool = Path(os.environ.get("TOOLS", ".tools"), "lint", "bin", "hadolint").resolve()
    assert tool.exists(), f"{tool} is not there: make test-cloud makes it"
    linted = subprocess.run([tool, file], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout
