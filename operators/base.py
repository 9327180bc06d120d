"""What our operators share: faults that a retry cannot mend fail at once, and each task leaves one line of what it did."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from threadmill.errors import ConfigError, DivergenceError, GateError, InputError, IntegrityError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.engine.stage import Stage

# Of every DAG's tasks: faults of a moment are waited out, ever longer; none may hang for ever.
DEFAULT_ARGS = {
    "owner": "threadmill",
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=12),
}
_PERMANENT = (ConfigError, InputError, IntegrityError, GateError, DivergenceError)


@contextmanager
def permanent_faults() -> Iterator[None]:
    """Turns errors that the same call would meet again into Airflow's way to fail without retries."""
    try:
        yield
    except _PERMANENT as error:
        raise AirflowFailException(str(error)) from None


class StageOperator(BaseOperator):
    """Runs one stage of the library to a finished dataset, and returns its URI.

    Cleared, or killed and retried, it goes on from the shards that are done; where the dataset is there already, of the
    same config and inputs, it does nothing.

    Args:
        uri: where the dataset goes.
    """

    template_fields: Sequence[str] = ("uri",)
    ui_color = "#e8f0fe"
    dataset_name: str | None = None  # the folder's name where None

    def __init__(self, *, uri: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.uri = uri

    @abstractmethod
    def make_stage(self, context: "Context") -> "Stage":
        """The stage to run, from the templated fields and the run's params."""

    def execute(self, context: "Context") -> str:
        """Runs the stage."""
        from threadmill.engine.run import run_stage
        from threadmill.settings import get_settings

        with permanent_faults():
            run_stage(
                self.make_stage(context),
                self.uri,
                name=self.dataset_name,
                workers=get_settings().workers or None,
                allow_partial=context["params"]["allow_partial"],
            )
        return self.uri
