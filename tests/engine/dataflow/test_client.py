from tests.engine.dataflow.conftest import Cloud
from tests.engine.dataflow.test_run import waiting
from threadmill.cloud import work
from threadmill.engine.dataflow import service


def test_a_task_that_is_cleared_awaits_the_end_of_its_cancelled_job_and_submits_another(cloud: Cloud, uri: str) -> None:
    for _ in range(2):
        cloud.dataflow.faults.add("jobs.create", "stuck")
    cleared = waiting(cloud, uri)
    service.cancel(cleared.handle)

    ending = waiting(cloud, uri)
    assert ending.handle["job"] == cleared.handle["job"]
    while not service.look(ending.handle).over:
        pass
    assert work.settle(ending).state == "CANCELLED"
    assert waiting(cloud, uri).handle["job"] != cleared.handle["job"]
    assert [job.state for job in cloud.dataflow.ledger.jobs] == ["CANCELLED", "PENDING"]


def test_a_job_whose_state_is_not_told_is_waited_for_and_no_second_is_submitted(cloud: Cloud, uri: str) -> None:
    cloud.dataflow.faults.add("jobs.create", "stuck")
    found = waiting(cloud, uri)
    cloud.dataflow.ledger.jobs[0].become("UNKNOWN")

    assert not service.look(found.handle).over
    assert waiting(cloud, uri).handle["job"] == found.handle["job"]
    assert len(cloud.dataflow.ledger.jobs) == 1
