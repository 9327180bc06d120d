"""`make bench`: all benchmarks, one after the other."""

import subprocess
import sys

for name in (
    "benchmarks.reddit",
    "benchmarks.deduplication",
    "benchmarks.tokenising",
    "benchmarks.pretraining",
    "benchmarks.loader",
    "benchmarks.training",
    "benchmarks.storage",
    "benchmarks.beam",
    "benchmarks.rates",
    "benchmarks.parse_dags",
):
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", name], check=True)
