import os
import shutil
import subprocess
import sys
from pathlib import Path

import threadmill

_CALL = """
import numpy as np
from threadmill.corpora.reddit.text_kernels import utf8_length
assert utf8_length(np.frombuffer("é\\n".encode(), np.uint8), 0) == 2
"""


def test_what_was_compiled_before_the_tombstones_changed_is_not_used_again(tmp_path: Path) -> None:
    package = tmp_path / "package" / "threadmill"
    shutil.copytree(Path(threadmill.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    cache = tmp_path / "cache"

    def compiled() -> dict[Path, int]:
        variables = {**os.environ, "PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(cache)}
        subprocess.run([sys.executable, "-c", _CALL], env=variables, cwd=tmp_path, check=True)
        return {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}

    first = compiled()
    assert first
    assert compiled() == first
    with open(package / "corpora" / "reddit" / "comments.py", "a") as source:
        source.write("\n# another version\n")
    assert compiled() != first
