"""# doctor

Is this deployment ready to run? Credentials, APIs, permissions, bucket and dataset, quotas, network, TPU types, the workers'
package, and this machine: each check is a line in the task's log, which passes, fails with the command that mends it, or is
skipped.

It runs by hand, and asks with the credentials of the connection that the other DAGs use. `threadmill doctor` does the same in
a shell.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from operators.base import DEFAULT_ARGS
from operators.doctor import DoctorOperator

with DAG(
    "doctor",
    doc_md=__doc__,
    schedule=None,
    start_date=datetime(2006, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "resolve": Param(
            False,
            type="boolean",
            title="resolve",
            section="Checks",
            description="Also ask the package index for all that workers install: a minute or two",
        )
    },
    default_args={**DEFAULT_ARGS, "execution_timeout": timedelta(minutes=10)},
    tags=["threadmill", "deployment"],
) as dag:
    DoctorOperator(task_id="examine")
