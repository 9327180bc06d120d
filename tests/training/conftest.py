import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest


@pytest.fixture(scope="session")
def tensorflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `tests.training.tensorflow_facts` wrote what it found out."""
    folder = tmp_path_factory.mktemp("tensorflow")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.training.tensorflow_facts", str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def tensorflow_facts(tensorflow_folder: Path) -> dict[str, Any]:
    """Its facts."""
    facts: dict[str, Any] = orjson.loads((tensorflow_folder / "facts.json").read_bytes())
    return facts
