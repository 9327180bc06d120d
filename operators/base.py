"""What the tasks of our DAGs share: their default arguments, and the operator that runs a stage."""

from abc import abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from operators.budget import watch_run
from operators.pools import Work, pool_of
from operators.remote_work import RemoteWorkOperator, run_site
from threadmill.cloud.work import Waiting

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


class StageOperator(RemoteWorkOperator):
    """Runs one stage of the library to a finished dataset, and returns its URI.

    Cleared, or killed and retried, it goes on from the shards that are done; where the dataset is there already, of the
    same config and inputs, it does nothing.

    Args:
        uri: where the dataset goes.
    """

    template_fields: Sequence[str] = ("uri",)
    ui_color = "#e8f0fe"
    dataset_name: str | None = None  # the folder's name where None
    work: Work | None = "engine"  # what does it, and so its pool; None for what is always done here

    def __init__(self, *, uri: str, **kwargs: Any) -> None:
        super().__init__(**{"pool": pool_of(self.work), **kwargs} if self.work else kwargs)
        self.uri = uri

    @abstractmethod
    def make_stage(self, context: "Context") -> "Stage":
        """The stage to run, from the templated fields and the run's params."""

    def steps(self, context: "Context") -> Generator[Waiting, None, str]:
        """The stage's."""
        from threadmill.engine.run import stage_steps

        stage, site = self.make_stage(context), run_site(context)
        if self.work:  # asked once a pass: what a job has cost is known when it is over, and another pass begins
            site = replace(site, before_start=cache(lambda: watch_run(context, self.uri)))
        partial = context["params"]["allow_partial"]
        yield from stage_steps(stage, self.uri, site=site, name=self.dataset_name, allow_partial=partial)
        return self.uri
