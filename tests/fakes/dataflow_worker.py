"""The machine behind the fake Dataflow: runs submitted graphs, one after the other, on a local runner that speaks the Fn API.

A line of JSON in, {"pipeline": URI of the staged proto}; a line of JSON out: {"error", "counters", "seconds"}. It outlives its
jobs, since Beam takes seconds to import.
"""

import hashlib
import json
import sys
import time
import traceback
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from threadmill.datasets import storage


def main() -> None:
    """Works until its input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what a stage prints is no answer
    for line in sys.stdin:
        started = time.monotonic()
        answer: dict[str, Any] = {"error": "", "counters": {}}
        try:
            answer["counters"] = run(json.loads(line)["pipeline"])
        except (Exception, SystemExit):
            answer["error"] = traceback.format_exc()
        answer["seconds"] = time.monotonic() - started
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run(uri: str) -> dict[str, int]:
    """Runs a staged graph; returns its counters as NAMESPACE/NAME."""
    graph = beam_runner_api_pb2.Pipeline.FromString(storage.read_bytes(uri))
    for environment in graph.components.environments.values():
        for artifact in environment.dependencies:
            check_staged(artifact)
        environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b""
        del environment.dependencies[:]
    result = FnApiRunner().run_via_runner_api(graph, PipelineOptions([]))
    result.wait_until_finish()
    counters = result.metrics().query()["counters"]
    return {f"{counter.key.metric.namespace}/{counter.key.metric.name}": counter.committed for counter in counters}


def check_staged(artifact: Any) -> None:
    """Raises where a worker could not fetch an artifact whole."""
    assert artifact.type_urn == common_urns.artifact_types.URL.urn, artifact.type_urn
    payload = beam_runner_api_pb2.ArtifactUrlPayload.FromString(artifact.type_payload)
    found = hashlib.sha256(storage.read_bytes(payload.url)).hexdigest()
    if found != payload.sha256:
        raise ValueError(f"{payload.url} has the digest {found}, not {payload.sha256}")


if __name__ == "__main__":
    main()
