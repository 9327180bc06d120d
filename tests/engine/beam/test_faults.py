import pytest

from threadmill.engine.beam.faults import worker_fault
from threadmill.errors import ConfigError, InputError, RemoteWorkError

OURS = """Traceback (most recent call last):
  File "apache_beam/runners/common.py", line 1512, in apache_beam.runners.common.DoFnRunner.process
  File "threadmill/engine/stage.py", line 50, in process
threadmill.errors.InputError: RC_2006-01.zst ends too early; get it again

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "apache_beam/runners/worker/sdk_worker.py", line 313, in _execute
threadmill.errors.{kind}: RC_2006-01.zst ends too early; get it again [while running 'Process-ptransform-3']

"""


@pytest.mark.parametrize(
    ("kind", "error"), [("InputError", InputError), ("ConfigError", ConfigError), ("DownloadError", RemoteWorkError)]
)
def test_an_error_of_ours_keeps_its_message_and_tells_whether_a_retry_helps(kind: str, error: type[Exception]) -> None:
    fault = worker_fault(OURS.replace("{kind}", kind), "ingest: the job")
    assert type(fault) is error
    assert str(fault) == "ingest: the job: RC_2006-01.zst ends too early; get it again"


def test_any_other_error_is_one_line_that_a_retry_may_help() -> None:
    text = "Traceback (most recent call last):\n  File 'a.py', line 1, in f\nMemoryError: no room\n"
    assert str(worker_fault(text, "the job")) == "the job failed: MemoryError: no room; run it again to do what is missing"


def test_a_message_without_a_traceback_is_told_as_it_is() -> None:
    assert str(worker_fault("worker lost\n", "the job")) == "the job failed: worker lost; run it again to do what is missing"


def test_no_message_is_told_as_none() -> None:
    assert str(worker_fault("", "the job")) == "the job failed: no message; run it again to do what is missing"
