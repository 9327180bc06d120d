"""The commands of the guides under deploy/, run as they are written, beside stand-ins for the programs that need the cloud."""

import os
import re
import subprocess
from pathlib import Path

from tests.airflow_home import REPOSITORY

# A stand-in notes its arguments, one a line, and says what the guide goes on with.
_STAND_IN = """#!/usr/bin/env bash
{ echo "= $(basename "$0")"; printf '%s\\n' "$@"; } >> "$CALLS"
case "$*" in
  "config get-value account") echo someone@example.org ;;
  *dagGcsPrefix*) echo gs://environment/dags ;;
  *"describe python "*registryUri*) echo registry.example/my-threadmill/python ;;
  *registryUri*) echo registry.example/my-threadmill/threadmill ;;
  "clone "*) mkdir -p threadmill/docker && cp "$REPOSITORY/docker/env.example" threadmill/docker/ ;;
esac
"""


def blocks(guide: str) -> list[str]:
    """The shell commands of a guide, a block at a time."""
    text = (REPOSITORY / "deploy" / guide).read_text()
    return re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def block_with(guide: str, words: str) -> str:
    """The one block of a guide that has these words."""
    (found,) = (block for block in blocks(guide) if words in block)
    return found


class Shell:
    """Runs scripts in ``folder``, where any fault or unset variable ends them.

    Args:
        stand_ins: the programs that are only noted.
    """

    def __init__(self, folder: Path, stand_ins: tuple[str, ...]) -> None:
        self.folder = folder
        self._programs = folder / "stand-ins"
        self._programs.mkdir()
        self._calls = folder / "calls"
        for name in stand_ins:
            program = self._programs / name
            program.write_text(_STAND_IN)
            program.chmod(0o755)

    def run(self, script: str) -> str:
        """What a script prints; AssertionError where it fails."""
        environment = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "CALLS": str(self._calls),
            "REPOSITORY": str(REPOSITORY),
        }
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stderr}\n{script}"
        return done.stdout

    def calls(self) -> list[list[str]]:
        """What the stand-ins were called with: program and arguments."""
        calls = self._calls.read_text().split("= ")[1:] if self._calls.exists() else []
        return [call.rstrip("\n").split("\n") for call in calls]
