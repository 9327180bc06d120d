"""Deployment settings: where things run and land, from THREADMILL_* environment variables."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from threadmill.errors import ConfigError


def _default_root() -> str:
    return str(Path.home() / "threadmill")


def _default_cache(root: str) -> str:
    return os.path.join(_default_root() if "://" in root else root, "cache")


class Settings(BaseSettings):
    """What differs between deployments and never changes the bytes of a dataset."""

    model_config = SettingsConfigDict(env_prefix="THREADMILL_", env_ignore_empty=True, extra="ignore")

    platform: Literal["local", "gcp"] = Field(
        "local", description="Where the stages run: on this machine, or on BigQuery, Dataflow and Cloud TPU"
    )
    root: str = Field(default_factory=_default_root, description="The folder of all datasets; on platform gcp gs://BUCKET/FOLDER")
    engine: Literal["", "local", "beam", "dataflow"] = Field(
        "", description="What runs a stage over its shards; empty: local, and dataflow on platform gcp"
    )
    warehouse: Literal["", "duckdb", "bigquery"] = Field(
        "", description="What joins, groups and sorts; empty: duckdb, and bigquery on platform gcp"
    )
    trainer: Literal["", "local", "tpu", "vertex"] = Field(
        "", description="Where models are trained and evaluated; empty: local, and tpu on platform gcp"
    )
    cache: str = Field(
        default_factory=lambda values: _default_cache(values["root"]),
        description="The local folder of files downloaded from the web; empty: ROOT/cache, in the home folder for a remote root",
    )
    workers: int = Field(0, ge=0, description="Worker processes a stage; 0 means as many as there are cores")
    memory_limit: str = Field(
        "1GB", pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="Memory the warehouse may use before it spills to disk"
    )
    ledger: str = Field("", description="The takedown ledger: a file of ids and hashed authors that every refresh leaves out")
    reddit_source: str = Field(
        "sample", description="Where a month's dump is: a path or URI with {month} in it, or 'sample' for the sample world"
    )
    text_source: str = Field(
        "sample",
        description="Where text_corpus finds text: files or folders, with commas, or 'sample' for the sample world's comments",
    )

    project: str = Field("", description="Google Cloud project of all jobs")
    region: str = Field("", description="Region of Dataflow's jobs and Vertex AI's, such as us-central1: that of the bucket")
    connection: str = Field("google_cloud_default", description="Airflow connection whose credentials are used")
    pools: str = Field(
        "", description="Tasks at once in Airflow's pools bigquery, dataflow, tpu, vertex: NAME=SLOTS, several with commas"
    )
    poll_seconds: float = Field(30, gt=0, description="Seconds between two looks at remote work, at most")
    labels: str = Field("", description="Labels of all remote work besides our own: KEY=VALUE, several with commas")

    bigquery_dataset: str = Field(
        "threadmill", description="BigQuery dataset of the table of comments; made where it is not there"
    )
    bigquery_location: str = Field("", description="Location of BigQuery's datasets and jobs, such as US; empty: the region")
    bigquery_max_gb: float = Field(
        2_000,
        gt=0,
        description="Gigabytes (10^9 bytes) that one BigQuery job may bill; BigQuery refuses one that would bill more",
    )
    bigquery_scratch_days: int = Field(3, ge=1, description="Days after which BigQuery itself deletes tables between two steps")

    dataflow_machine_type: str = Field("n2-standard-4", description="Machine type of Dataflow's workers")
    dataflow_workers: int = Field(0, ge=0, description="Dataflow workers to begin with; 0: Dataflow chooses")
    dataflow_max_workers: int = Field(32, ge=1, description="Dataflow workers at most")
    dataflow_disk_gb: int = Field(0, ge=0, description="Disk of a Dataflow worker in GB; 0: Dataflow's default")
    dataflow_network: str = Field("", description="Network of the workers; empty: default")
    dataflow_subnetwork: str = Field("", description="Subnetwork: regions/REGION/subnetworks/NAME")
    dataflow_private_ips: bool = Field(False, description="Workers have private addresses only (needs Private Google Access)")
    dataflow_service_account: str = Field("", description="Service account of the workers; empty: Compute Engine's default")
    dataflow_flexrs: bool = Field(False, description="Cheaper, delayed resources (FlexRS, COST_OPTIMIZED)")
    dataflow_image: str = Field("", description="Container image of the workers, with threadmill in it; empty: a wheel is staged")
    dataflow_options: str = Field("", description="Further options of Beam for Dataflow, as on a command line")

    beam_runner: str = Field(
        "PrismRunner", description="Runner where the engine is beam: PrismRunner, PortableRunner, FlinkRunner, SparkRunner"
    )
    beam_job_endpoint: str = Field("", description="HOST:PORT of the job service; empty: the runner's default")
    beam_environment_type: str = Field("", description="Where the workers' code runs: LOOPBACK, EXTERNAL, DOCKER, PROCESS")
    beam_environment_config: str = Field("", description="What the environment's type wants: a worker pool's HOST:PORT, an image")
    beam_options: str = Field("", description="Further options of Beam, as on a command line")

    tpu_type: str = Field("v5litepod-8", description="Accelerator type of the Cloud TPU")
    tpu_runtime: str = Field("v2-alpha-tpuv5-lite", description="Runtime version (image) of the Cloud TPU")
    tpu_zones: str = Field("", description="Zones to ask for a TPU, in this order, with commas")
    tpu_spot: bool = Field(
        True, description="Spot capacity: cheaper, may be pre-empted; the run goes on from its last checkpoint"
    )
    tpu_reservation: str = Field("", description="Reservation to take the TPU from: projects/P/locations/Z/reservations/NAME")
    tpu_network: str = Field("", description="Network of the TPU's hosts; empty: default")
    tpu_subnetwork: str = Field("", description="Subnetwork of the TPU's hosts")
    tpu_private_ips: bool = Field(False, description="The TPU's hosts have private addresses only")
    tpu_service_account: str = Field("", description="Service account of the TPU's hosts; empty: Compute Engine's default")
    tpu_attempts: int = Field(20, ge=1, description="TPUs that one run may be given, one after a pre-emption of the other")
    tpu_max_hours: float = Field(72, gt=0, description="Hours after which a TPU's host ends its work and deletes itself")
    tpu_queue_hours: float = Field(24, gt=0, description="Hours a request waits in a zone's queue before the next zone is asked")
    vertex_machine_type: str = Field("ct5lp-hightpu-8t", description="Machine type of Vertex AI's custom jobs")
    vertex_topology: str = Field("2x4", description="TPU topology of Vertex AI's custom jobs")
    vertex_image: str = Field("", description="Container image of Vertex AI's custom jobs, with threadmill in it")
    vertex_service_account: str = Field("", description="Service account of Vertex AI's custom jobs; empty: its default")

    package: str = Field(
        "",
        description="The wheel of threadmill for workers and TPU hosts; empty: built from this installation",
    )
    budget: float = Field(0, ge=0, description="US dollars that a run may cost by its plan; 0: no limit")
    prices: str = Field("", description="A TOML file of prices that replace the built-in list prices")

    @property
    def runs_on(self) -> tuple[str, str, str]:
        """Engine, warehouse and trainer, as set or as the platform's."""
        defaults = ("dataflow", "bigquery", "tpu") if self.platform == "gcp" else ("local", "duckdb", "local")
        engine, warehouse, trainer = defaults
        return self.engine or engine, self.warehouse or warehouse, self.trainer or trainer

    @property
    def location(self) -> str:
        """Where BigQuery's datasets and jobs are."""
        return self.bigquery_location or self.region


@lru_cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigError: a THREADMILL_* variable has a value of no use.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = "THREADMILL_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"{variable}={first['input']!r}: {first['msg']}; set another value") from None
