"""The exporter's process: ``python -m threadmill.training.processes.exporter SPEC.json``."""

import os
import sys

from threadmill.training.export.formats import ExporterSpec
from threadmill.training.processes import child
from threadmill.training.processes.spec import read_spec
from threadmill.training.runs.status import StatusFile


def main(arguments: list[str]) -> int:
    """Exports as the `ExporterSpec` in the file ``arguments[0]`` says; returns the exit code."""
    spec = read_spec(arguments[0], ExporterSpec)

    def work(status: StatusFile) -> None:
        # A model's file is of no backend, and a SavedModel is TensorFlow's. It computes nothing that a GPU would hasten.
        os.environ.update(KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
        status.update(state="exporting", steps=1)
        from threadmill.training.export.writing import write_export  # TensorFlow: seconds, and with the environment set

        write_export(spec)
        status.update(step=1)

    return child.run(spec.folder, spec.parent, work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
