"""What parsing the DAG folder costs over `import airflow`, as Airflow's DAG processor does it: a process of its own each time.

`python -m benchmarks.parse_dags [--runs N]`: CPU seconds, medians of the runs.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import median_of, run

_DAGS = Path(__file__).parents[1] / "dags"
# Each adds to the one before.
_PROGRAMS = {
    "import airflow": "import airflow",
    "and its DAG parser": "import airflow.dag_processing.dagbag",
    "and parse dags/": "bag = airflow.dag_processing.dagbag.DagBag({dags!r}); assert bag.dags and not bag.import_errors",
}


def main() -> None:
    """Prints a line a program, and what the parser and the parsing cost together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        for count, name in enumerate(_PROGRAMS, 1):
            program = "\n".join(list(_PROGRAMS.values())[:count]).format(dags=str(_DAGS))
            command = [sys.executable, "-c", program]
            run(command, env=environment)  # byte code and the home are made
            seconds.append(median_of([run(command, env=environment) for _ in range(runs)]).cpu)
            print(f"{name:<34}{seconds[-1]:>8.2f} CPU s", flush=True)
    print(f"{'dags/ over import airflow':<34}{seconds[-1] - seconds[0]:>8.2f} CPU s (wanted: 1 at most)")


if __name__ == "__main__":
    main()
