"""The trainer's process: ``python -m threadmill.training.processes.trainer SPEC.json``, here or on an accelerator's machine."""

import sys

from threadmill.training.processes import child
from threadmill.training.processes.preemption import Preemption
from threadmill.training.processes.spec import TrainerSpec, read_spec
from threadmill.training.runs.status import StatusFile
from threadmill.training.runs.workspace import Workspace


def main(arguments: list[str]) -> int:
    """Trains as the `TrainerSpec` in the file ``arguments[0]`` says; returns the exit code."""
    spec = read_spec(arguments[0], TrainerSpec)
    preemption = Preemption()

    def work(status: StatusFile) -> None:
        workspace = Workspace(spec.folder, spec.checkpoints_uri)
        workspace.claim(spec.identity)
        if workspace.elsewhere:
            status.copy_to(spec.checkpoints_uri)
        status.update(state="starting", steps=spec.config.steps)
        from threadmill.training.loop import train  # TensorFlow: seconds, and only with the environment set

        train(spec, status, preemption.asked)
        workspace.finish(spec.identity)

    return child.run(spec.folder, spec.parent, work, spec.config.backend, preemption)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
