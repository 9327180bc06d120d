"""Hands a pipeline to Dataflow with Beam's own `Pipeline.run()`, but with our credentials, time-outs and retries."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
from apache_beam.internal.gcp import auth
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from apache_beam.runners.dataflow.internal import apiclient
from google.api_core import exceptions
from google.cloud import dataflow

from threadmill.cloud.credentials import current_access
from threadmill.engine.dataflow.client import PATIENCE, find_job, open_client

_one_at_a_time = threading.Lock()  # Beam's credentials are the process's


def submit(options: PipelineOptions, fill: Any) -> str:
    """Stages and submits a pipeline; returns the job's id, or that of the active job of its name.

    Args:
        fill: adds the transforms to the pipeline.

    Raises:
        google.api_core.exceptions.GoogleAPICallError: Dataflow refused the job.
    """
    with _one_at_a_time, _our_client(), _our_credentials():
        pipeline = beam.Pipeline(runner=DataflowRunner(), options=options)
        fill(pipeline)
        return str(pipeline.run().job_id())


class _Client(apiclient.DataflowApplicationClient):  # type: ignore[misc]
    """Beam's client, whose creation of a job ends in time, and adopts."""

    def submit_job_description(self, job: Any) -> Any:
        """The created job, the one that a lost answer told of, or the one that is active under this name."""
        cloud = self.google_cloud_options
        request = dataflow.CreateJobRequest(project_id=cloud.project, location=cloud.region, job=job.proto)
        try:
            # A job of another request's id comes back where the name is taken: it is adopted as it is.
            return open_client("Jobs").create_job(request, **PATIENCE)
        except exceptions.Conflict:
            active = find_job(cloud.project, cloud.region, job.proto.name)
            if active is None:
                raise
            return active


@contextmanager
def _our_client() -> Iterator[None]:
    theirs = apiclient.DataflowApplicationClient
    apiclient.DataflowApplicationClient = _Client
    try:
        yield
    finally:
        apiclient.DataflowApplicationClient = theirs


@contextmanager
def _our_credentials() -> Iterator[None]:
    """Beam looks for the machine's own credentials, once a process; an Airflow connection's stay in memory this way."""
    holder = auth._Credentials
    before = (holder._credentials_init, holder._credentials)
    holder._credentials_init = True
    holder._credentials = auth._ApitoolsCredentialsAdapter(current_access().credentials)
    try:
        yield
    finally:
        holder._credentials_init, holder._credentials = before
