from collections.abc import Iterator

import pytest

from operators import google
from operators.google import cloud_access
from threadmill.cloud.credentials import Access, access_in_use
from threadmill.settings import get_settings

ACCESS = Access("credentials", "project-one")


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(google, "connection_access", lambda connection_id, project, moment: ACCESS)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("variables", "access"),
    [
        ({}, None),
        ({"THREADMILL_ENGINE": "beam", "THREADMILL_BEAM_RUNNER": "FlinkRunner"}, None),
        ({"THREADMILL_ENGINE": "beam", "THREADMILL_ROOT": "gs://bucket/threadmill"}, ACCESS),
        ({"THREADMILL_ENGINE": "beam", "THREADMILL_WAREHOUSE": "bigquery"}, ACCESS),
        ({"THREADMILL_TRAINER": "vertex"}, ACCESS),
        ({"THREADMILL_PLATFORM": "gcp"}, ACCESS),
    ],
)
def test_the_connection_is_asked_for_where_google_cloud_is_called(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], access: Access | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with cloud_access():
        assert access_in_use() == access
