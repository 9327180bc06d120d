"""The credentials of an operator's connection reach the worker processes of the local engine, and no log."""

import logging
import socket
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import Credentials
from google.oauth2 import service_account

from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.cloud.credentials import Access, access_in_use, use_access
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field
from threadmill.engine.local import run_tasks
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import ConfigError, TransferError


class WhoAmI(MapStage):
    name = "who"
    version = 1
    unit = "lines"
    config: dict[str, str] = {}  # noqa: RUF012

    def plan(self) -> Plan:
        return Plan((), tuple(Task(f"train-0000{number}-of-00002.txt") for number in range(2)), (Field("line", "string"),))

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        access = access_in_use()
        told = "none" if access is None else f"{access.project} {access.credentials.service_account_email}"
        with output.shard(task.name) as stream:
            stream.write(told.encode())
        return output.result(task, Counters(1, 1, 1), {"told": told})


class Damaged(WhoAmI):
    """A task whose first bytes arrive damaged."""

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        marker = Path(output.uri) / f"{task.name}.tried"
        if not marker.exists():
            marker.touch()
            raise TransferError("gs://b/o: its bytes arrived damaged")
        return super().process(task, output)


class Unpicklable(Credentials):  # type: ignore[misc]
    def __init__(self) -> None:
        self.connection = socket.socket()

    def refresh(self, request: object) -> None:
        raise NotImplementedError


def connection_credentials(token_uri: str) -> service_account.Credentials:
    """Those of a service account's key file; its token is served by the fake."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    info = {"client_email": "me@p1.iam.gserviceaccount.com", "private_key": pem, "token_uri": token_uri, "project_id": "p1"}
    return service_account.Credentials.from_service_account_info(
        info, scopes=["https://www.googleapis.com/auth/devstorage.full_control"]
    )


@pytest.mark.slow
def test_workers_use_the_connection_s_credentials(cloud: FakeCloudStorage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    credentials = connection_credentials(f"{cloud.url}/token")
    with use_access(Access(credentials, "p1")):
        manifest = run_stage(WhoAmI(), "gs://bucket/who", workers=2)
    told = {storage.read_bytes(f"gs://bucket/who/{shard.name}") for shard in manifest.shards}
    assert told == {b"p1 me@p1.iam.gserviceaccount.com"}
    assert cloud.faults.calls["oauth.token"] >= 1, "the calls are made with the key"
    assert "PRIVATE KEY" not in caplog.text
    assert "fake" not in repr(Access(credentials, "p1"))


def test_credentials_that_cannot_be_handed_on_are_told(tmp_path: Path) -> None:
    with use_access(Access(Unpicklable(), "p1")), pytest.raises(ConfigError, match=r"Unpicklable.*THREADMILL_WORKERS=1"):
        list(run_tasks(WhoAmI(), WhoAmI().plan().tasks, str(tmp_path), 2))


def test_a_task_whose_bytes_arrived_damaged_is_done_again(tmp_path: Path) -> None:
    tasks = Damaged().plan().tasks[:1]
    results = list(run_tasks(Damaged(), tasks, str(tmp_path), 1))
    assert [result.name for result in results] == [tasks[0].name]
