import os
import re
import shutil
import subprocess
import sys
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
def test_its_installs_work_with_what_it_copies_alone(tmp_path: Path) -> None:
    """The commands of the image, less the engine: what they resolve to, and the package that they build."""
    for name in _copied():
        source, target = REPOSITORY / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    dependencies, package = _installs()
    environment, installed = tmp_path / "environment", tmp_path / "installed"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    resolved = _run(tmp_path, dependencies.replace("--system", f"--dry-run --python '{environment}'"))
    assert "apache-airflow==" in resolved
    assert "tensorflow==" in resolved
    _run(tmp_path, package.replace("--system", f"--target '{installed}'"))
    for name in ("threadmill/sql/threads.sql", "plugins/templates/datasets.html", "operators/pools.py"):
        assert (installed / name).exists(), name


def _installs() -> list[str]:
    """The two commands of uv in the Dockerfile."""
    return re.findall(r"uv (pip install .*?)(?= \\\n    &&|\n\n)", TEXT, flags=re.DOTALL)


def _run(folder: Path, arguments: str) -> str:
    command = f"'{sys.executable}' -m uv {arguments}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.cloud
@pytest.mark.parametrize("file", sorted((REPOSITORY / "docker").glob("*.Dockerfile")), ids=lambda file: file.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    tool = Path(os.environ.get("TOOLS", ".tools"), "lint", "bin", "hadolint").resolve()
    assert tool.exists(), f"{tool} is not there: make test-cloud makes it"
    linted = subprocess.run([tool, file], capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout
