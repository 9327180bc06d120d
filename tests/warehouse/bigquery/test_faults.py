import pytest

from threadmill.errors import InputError, RemoteWorkError
from threadmill.warehouse.bigquery.faults import meaning, passes, reason_of_job

TABLE = "p1:threadmill.comments"


@pytest.mark.parametrize(
    ("told", "message", "error"),
    [
        # Two runs that bring their months into the table of comments at once.
        ("invalidQuery", f"Could not serialize access to table {TABLE} due to concurrent update", RemoteWorkError),
        ("invalidQuery", "Unrecognized name: autor at [1:8]", InputError),
        ("", "no reason", RemoteWorkError),
    ],
)
def test_a_statement_that_met_anothers_changes_is_tried_again(told: str, message: str, error: type[Exception]) -> None:
    reason = reason_of_job({"reason": told, "message": message})
    assert passes(reason) == ("concurrent" in message)
    assert type(meaning(reason, message, "job")) is error
