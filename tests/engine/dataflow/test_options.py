from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import GoogleCloudOptions, SetupOptions, WorkerOptions

from tests.engine.dataflow.conftest import Cloud
from threadmill.cloud.identity import RunIdentity
from threadmill.engine.dataflow.options import dataflow_options
from threadmill.errors import ConfigError

IDENTITY = RunIdentity("reddit_refresh", "manual__2015-01", "ingest")
OUTPUT = "gs://bucket-one/root/reddit/2015-01/comments"


def test_the_settings_are_dataflows_options(cloud: Cloud, tmp_path: Path) -> None:
    cloud.set(
        root="gs://bucket-one/root",
        dataflow_machine_type="n2-highmem-8",
        dataflow_workers="3",
        dataflow_disk_gb="50",
        dataflow_subnetwork="regions/us-central1/subnetworks/workers",
        dataflow_service_account="workers@project-one.iam.gserviceaccount.com",
        dataflow_private_ips="true",
        dataflow_flexrs="true",
        dataflow_image="us-docker.pkg.dev/project-one/threadmill/worker:1",
        dataflow_options="--experiments=min_ram_percentage --worker_zone=us-central1-a",
        labels="team=nlp",
    )
    options = dataflow_options(OUTPUT, "threadmill-a", IDENTITY, tmp_path)
    cloudy, workers = options.view_as(GoogleCloudOptions), options.view_as(WorkerOptions)
    assert (cloudy.project, cloudy.region, cloudy.job_name) == ("project-one", "us-central1", "threadmill-a")
    assert cloudy.temp_location == cloudy.staging_location == "gs://bucket-one/root/staging/dataflow"
    assert cloudy.flexrs_goal == "COST_OPTIMIZED"
    assert {"team=nlp", "threadmill_dag=reddit_refresh"} <= set(cloudy.labels)
    assert (workers.machine_type, workers.num_workers, workers.max_num_workers, workers.disk_size_gb) == (
        "n2-highmem-8",
        3,
        32,
        50,
    )
    assert workers.subnetwork == "regions/us-central1/subnetworks/workers"
    assert (workers.use_public_ips, workers.worker_zone) == (False, "us-central1-a")
    assert workers.sdk_container_image == "us-docker.pkg.dev/project-one/threadmill/worker:1"
    assert options.view_as(SetupOptions).extra_packages is None, "the image has all"


def test_without_an_image_the_wheel_and_its_locked_set_are_staged(cloud: Cloud, tmp_path: Path) -> None:
    setup = dataflow_options(OUTPUT, "threadmill-a", IDENTITY, tmp_path).view_as(SetupOptions)
    assert setup.extra_packages == [str(next(tmp_path.glob("threadmill-*.whl")))]
    assert Path(setup.requirements_file).read_text().startswith("annotated-types==")
    assert setup.requirements_cache == "skip", "workers fetch it themselves"


def test_workers_with_private_addresses_are_brought_what_they_need(cloud: Cloud, tmp_path: Path) -> None:
    cloud.set(dataflow_private_ips="true")
    assert dataflow_options(OUTPUT, "threadmill-a", IDENTITY, tmp_path).view_as(SetupOptions).requirements_cache is None


def test_where_the_root_is_local_things_are_staged_in_the_outputs_bucket(cloud: Cloud, tmp_path: Path) -> None:
    cloud.set(root="/data")
    options = dataflow_options(OUTPUT, "threadmill-a", IDENTITY, tmp_path).view_as(GoogleCloudOptions)
    assert options.staging_location == "gs://bucket-one/threadmill/staging/dataflow"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"region": "us"}, "THREADMILL_REGION='us' is no region; set the bucket's, such as us-central1"),
        ({"region": ""}, "THREADMILL_REGION='' is no region"),
        ({"project": "12345"}, "Please make sure you specified the Project ID, not project number.; mend THREADMILL_"),
        ({"dataflow_machine_type": "big"}, "THREADMILL_DATAFLOW_MACHINE_TYPE='big' is not a machine type"),
        ({"dataflow_service_account": "me@x.org"}, "='me@x.org' is not NAME@PROJECT.iam.gserviceaccount.com; set it so"),
        ({"dataflow_subnetwork": "workers"}, "THREADMILL_DATAFLOW_SUBNETWORK='workers' is not regions/REGION/subnetworks/NAME"),
        (
            {"dataflow_subnetwork": "regions/europe-west4/subnetworks/a"},
            "is in europe-west4, but the jobs in us-central1; name one",
        ),
        ({"dataflow_workers": "40"}, "THREADMILL_DATAFLOW_WORKERS=40 is more than THREADMILL_DATAFLOW_MAX_WORKERS=32; set it"),
        ({"dataflow_options": "--machine_typ=x"}, "Beam has no option --machine_typ=x; did you mean --machine_type"),
        ({"dataflow_options": "--num_workers=many"}, "argument --num_workers: invalid int value: 'many'"),
        ({"root": "gs://Bucket/root"}, "'Bucket' is no name of a bucket; set THREADMILL_ROOT=gs://BUCKET/FOLDER"),
        ({"labels": "Team=NLP"}, "THREADMILL_LABELS has 'Team=NLP'; write KEY=VALUE"),
    ],
)
def test_settings_of_no_use_are_refused_before_anything_is_staged(
    cloud: Cloud, tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    before = len(cloud.storage.objects())
    cloud.set(**settings)
    with pytest.raises(ConfigError) as raised:
        dataflow_options(OUTPUT, "threadmill-a", IDENTITY, tmp_path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(cloud.storage.objects()) == before
    assert not cloud.dataflow.faults.calls


def test_a_bad_job_name_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Invalid job_name \(A_1\)"):
        dataflow_options(OUTPUT, "A_1", IDENTITY, tmp_path)


def test_an_output_on_this_machine_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="is not in Cloud Storage, where Dataflow's workers could write it; set THREADMILL_ROOT=gs"
    ):
        dataflow_options(str(tmp_path), "threadmill-a", IDENTITY, tmp_path)
