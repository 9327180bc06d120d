"""Comments to conversation TFRecords, beside DuckDB's bare load of the same file.

`python -m benchmarks.reddit [--comments N ...] [--runs N] [--dump FILE]`: process start included, medians of the runs. With
several sizes, the growth of time and memory from one to the next.
"""

import argparse
import math
import os
import shutil
import sys
import tempfile
from itertools import pairwise
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
_PRESETS = ("polyai", "default")


def main() -> None:
    """Prints a table a size, and how cost grows with size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dump", help="a dump to use instead of the sample world's")
    arguments = parser.parse_args()
    sizes = [0] if arguments.dump else sorted(arguments.comments)
    costs = {size: _measure(size, arguments.dump, arguments.runs) for size in sizes}
    for smaller, larger in pairwise(sizes):
        doublings, grown = math.log2(larger / smaller), costs[larger].wall / costs[smaller].wall
        print(
            f"\n{smaller:,} -> {larger:,} comments: time a doubling {grown ** (1 / doublings) / 2:.3f} of twice, "
            f"peak {costs[larger].peak_mb / costs[smaller].peak_mb:.2f} times"
        )


def _measure(comments: int, dump: str | None, runs: int) -> Cost:
    """Prints the table of one dump; returns the cost of the reference's preset."""
    with tempfile.TemporaryDirectory() as folder:
        source = dump or _sample(folder, comments)
        costs = {f"threadmill reddit --preset {preset}": _conversations(folder, source, preset, runs) for preset in _PRESETS}
        bare = median_of([_bare_load(source) for _ in range(runs)])
    print(f"{'':<34}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}{'of the bare load: wall':>24}{'CPU':>6}{'peak':>6}")
    for name, cost in ({**costs, "DuckDB's bare load of the dump": bare}).items():
        ratios = f"{cost.wall / bare.wall:>24.2f}{cost.cpu / bare.cpu:>6.2f}{cost.peak_mb / bare.peak_mb:>6.2f}"
        print(f"{name:<34}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.peak_mb:>9.0f}{ratios}")
    polyai, default = costs.values()
    print(f"all filters of the default preset: {default.wall / polyai.wall:.2f} times the wall time", flush=True)
    return polyai


def _sample(folder: str, comments: int) -> str:
    command = [sys.executable, "-m", "threadmill.cli", "sample", "--comments", str(comments), "--output", folder]
    cost = run(command)
    print(
        f"\nthreadmill sample: {comments:,} comments in {cost.wall:.1f} s = {comments / cost.wall:,.0f}/s, {cost.peak_mb:.0f} MB"
    )
    (dump,) = Path(folder).glob("RC_*.zst")
    return str(dump)


def _conversations(folder: str, dump: str, preset: str, runs: int) -> Cost:
    output = os.path.join(folder, "output")
    costs = []
    for _ in range(runs):
        shutil.rmtree(output, ignore_errors=True)
        costs.append(run([sys.executable, "-m", "threadmill.cli", "reddit", dump, "--output", output, "--preset", preset]))
    return median_of(costs)


def _bare_load(dump: str) -> Cost:
    types = "{" + ", ".join(f"{name}: '{'BIGINT' if name == 'score' else 'VARCHAR'}'" for name in _COLUMNS) + "}"
    return run([sys.executable, "-c", _BARE_LOAD.format(types=repr(types)), dump])


if __name__ == "__main__":
    main()
