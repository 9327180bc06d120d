"""The evaluator's process: ``python -m threadmill.training.processes.evaluator SPEC.json``."""

import sys

from threadmill.training.processes import child
from threadmill.training.processes.spec import EvaluatorSpec, read_spec
from threadmill.training.runs.status import StatusFile


def main(arguments: list[str]) -> int:
    """Evaluates as the `EvaluatorSpec` in the file ``arguments[0]`` says; returns the exit code."""
    spec = read_spec(arguments[0], EvaluatorSpec)

    def work(status: StatusFile) -> None:
        from threadmill.training.evaluation.scoring import evaluate  # TensorFlow: seconds, and only with the environment set

        evaluate(spec, status)

    return child.run(spec.folder, spec.parent, work, spec.backend)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
