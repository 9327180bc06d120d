import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest


@pytest.fixture(scope="session")
def tensorflow_facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `tests.training.tensorflow_facts` found out."""
    folder = tmp_path_factory.mktemp("tensorflow")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.training.tensorflow_facts", str(folder)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = orjson.loads((folder / "facts.json").read_bytes())
    return facts
