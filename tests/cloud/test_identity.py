import re

from hypothesis import given
from hypothesis import strategies as st

from threadmill.cloud.identity import DEPLOYMENT, RunIdentity, deployment_label


@given(st.text(), st.text(), st.text(), st.integers(-1, 5), st.text(), st.lists(st.text()))
def test_names_fit_every_service_and_are_the_same_each_time(
    dag: str, run: str, task: str, index: int, root: str, parts: list[str]
) -> None:
    identity = RunIdentity(dag, run, task, index, root)
    name = identity.name(*parts)

    assert re.fullmatch(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?", name)
    assert name == RunIdentity(dag, run, task, index, root).name(*parts)
    assert all(re.fullmatch(r"[a-z0-9_-]{0,63}", value) for value in identity.labels().values())


def test_names_of_other_runs_tasks_and_parts_differ() -> None:
    identities = [RunIdentity("d", run, task, index) for run in ("1", "2") for task in ("a", "b") for index in (-1, 0)]
    assert len({identity.name(part) for identity in identities for part in ("x", "y")}) == 16
    assert len(identities[0].name(length=40)) <= 40


def test_the_label_of_the_run_is_that_of_all_its_tasks() -> None:
    first, second = RunIdentity("d", "run", "a").labels(), RunIdentity("d", "run", "b").labels()
    assert first["threadmill_id"] == second["threadmill_id"] != RunIdentity("d", "other", "a").labels()["threadmill_id"]


def test_two_deployments_in_a_project_have_other_names_and_labels_for_runs_of_one_id() -> None:
    one, other = (
        RunIdentity("d", "scheduled__2015-01-01", "a", root=root) for root in ("gs://one/threadmill", "gs://two/threadmill")
    )
    assert one.name("x") != other.name("x")
    assert one.labels()[DEPLOYMENT] == deployment_label("gs://one/threadmill/") != other.labels()[DEPLOYMENT]
