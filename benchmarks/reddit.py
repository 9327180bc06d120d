"""Comments to conversation TFRecords, beside DuckDB's bare load of the same file.

`python -m benchmarks.reddit [--comments N] [--runs N] [--dump FILE]`: process start included, medians of the runs.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Cost, median_of, run

_COLUMNS = ["id", "parent_id", "link_id", "subreddit", "author", "body", "created_utc", "score"]
_BARE_LOAD = """
import duckdb, sys
types = {types}
duckdb.connect().execute(
    "CREATE TABLE comments AS SELECT * FROM read_json(?, format='newline_delimited', columns=" + types + ")", [sys.argv[1]]
)
"""


def main() -> None:
    """Prints one line a program and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dump", help="a dump to use instead of the sample world's")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dump = arguments.dump or _sample(folder, arguments.comments)
        ours = median_of([_conversations(folder, dump) for _ in range(arguments.runs)])
        bare = median_of([_bare_load(dump) for _ in range(arguments.runs)])
    print(f"{'':<34}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}")
    for name, cost in (("threadmill reddit -> TFRecords", ours), ("DuckDB's bare load of the dump", bare)):
        print(f"{name:<34}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.peak_mb:>9.0f}")
    print(f"{'ratio':<34}{ours.wall / bare.wall:>8.2f}{ours.cpu / bare.cpu:>8.2f}{ours.peak_mb / bare.peak_mb:>9.2f}")


def _sample(folder: str, comments: int) -> str:
    command = [sys.executable, "-m", "threadmill.cli", "sample", "--comments", str(comments), "--output", folder]
    cost = run(command)
    print(f"threadmill sample: {comments:,} comments in {cost.wall:.1f} s = {comments / cost.wall:,.0f}/s, {cost.peak_mb:.0f} MB")
    (dump,) = Path(folder).glob("RC_*.zst")
    return str(dump)


def _conversations(folder: str, dump: str) -> Cost:
    output = os.path.join(folder, "output")
    shutil.rmtree(output, ignore_errors=True)
    return run([sys.executable, "-m", "threadmill.cli", "reddit", dump, "--output", output, "--preset", "polyai"])


def _bare_load(dump: str) -> Cost:
    types = "{" + ", ".join(f"{name}: '{'BIGINT' if name == 'score' else 'VARCHAR'}'" for name in _COLUMNS) + "}"
    return run([sys.executable, "-c", _BARE_LOAD.format(types=repr(types)), dump])


if __name__ == "__main__":
    main()
