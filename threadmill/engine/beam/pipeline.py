"""The pipeline of a stage's tasks: each is done by the stage's own shard function, and leaves its receipt.

What Beam itself keeps of it (counters) is for people to watch; a receipt beside the output is the only result believed. Beam
may do an element twice, even twice at once: both write the same bytes, an object at a time, and the same receipt.
"""

import os
import pickle
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.metrics import Metrics

from threadmill.cloud.package import build_id
from threadmill.engine.receipts import find_receipt, write_receipt
from threadmill.engine.stage import MapStage, Task, TaskOutput, TaskResult
from threadmill.errors import ConfigError

NAMESPACE = "threadmill"  # of the counters


def build(pipeline: beam.Pipeline, stage: MapStage, tasks: Sequence[Task], uri: str, key: str, threads: int = 0) -> None:
    """Adds the tasks of ``stage`` to a pipeline.

    Args:
        uri, key: of the output and of its run: where receipts go, and whose they are.
        threads: that polars and the tokenizers may use for one task; 0 for as many as they like.

    Raises:
        ConfigError: workers could not import the stage.
    """
    if type(stage).__module__ == "__main__":
        raise ConfigError(
            f"{type(stage).__name__} is defined in the program itself, which workers cannot import; move it into a module"
        )
    elements = [pickle.dumps(task) for task in tasks]
    (
        pipeline
        | "Tasks" >> beam.Create(elements, reshuffle=False).with_output_types(bytes)
        | "Spread" >> beam.Reshuffle().with_output_types(bytes)
        | "Process" >> beam.ParDo(ProcessTask(pickle.dumps(stage), uri, key, build_id(), threads))
    )


class ProcessTask(beam.DoFn):  # type: ignore[misc]
    """Does a task, unless its receipt is there already.

    Args:
        stage: pickled; opened where the build is known to be the same.
        build: the id of the launcher's build.
    """

    def __init__(self, stage: bytes, uri: str, key: str, build: str, threads: int = 0) -> None:
        self._pickled, self._uri, self._key, self._build, self._threads = stage, uri, key, build, threads

    def setup(self) -> None:
        """Refuses work for a launcher of another build."""
        if self._build != build_id():
            raise ConfigError(
                f"this worker has build {build_id()} of threadmill, but the job was launched by build {self._build}; "
                "install the same build on both: make the workers' image again, or restart their pool"
            )
        if self._threads:  # polars reads it when it is imported
            os.environ.setdefault("POLARS_MAX_THREADS", str(self._threads))
            os.environ.setdefault("RAYON_NUM_THREADS", str(self._threads))
        self._stage: MapStage = pickle.loads(self._pickled)

    def process(self, element: bytes) -> Iterator[str]:
        """Does one pickled task; yields its name."""
        task: Task = pickle.loads(element)
        result = find_receipt(self._uri, self._key, task.name)
        if result is None:
            # Nothing is removed where it fails: another worker may have done the same task meanwhile.
            result = self._stage.process(task, TaskOutput(self._uri))
            write_receipt(self._uri, self._key, result)
            _count(self._stage, result)
        yield task.name


def _count(stage: MapStage, result: TaskResult) -> None:
    counters = result.counters
    values = {"tasks": 1, "read": counters.read, "kept": counters.kept, "written": counters.written}
    values |= {f"dropped_{reason}": count for reason, count in counters.dropped.items()}
    for name, value in values.items():
        Metrics.counter(NAMESPACE, f"{stage.name}_{name}").inc(value)
