from tests.engine.dataflow.conftest import Cloud
from tests.engine.dataflow.test_run import waiting
from threadmill.engine.dataflow import service


def test_a_job_whose_state_is_not_told_is_waited_for_and_no_second_is_submitted(cloud: Cloud, uri: str) -> None:
    cloud.dataflow.faults.add("jobs.create", "stuck")
    found = waiting(cloud, uri)
    cloud.dataflow.ledger.jobs[0].become("UNKNOWN")

    assert not service.look(found.handle).over
    assert waiting(cloud, uri).handle["job"] == found.handle["job"]
    assert len(cloud.dataflow.ledger.jobs) == 1
