"""The doctor as a task: the findings in its log, and a failure where a check fails."""

import logging
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from operators.library import library_calls
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


class DoctorOperator(BaseOperator):
    """Examines the deployment with the credentials of Airflow's connection, as its tasks would use them.

    The run's param ``resolve`` has it ask the package index, too, for all that workers install.

    Returns:
        {"passed", "skipped", "failed": how many}; the findings in Markdown are in the XCom "table".
    """

    ui_color = "#e6f4ea"

    def execute(self, context: "Context") -> dict[str, int]:
        """Runs all checks, and shows what they found.

        Raises:
            AirflowFailException: a check failed; its line has the command that mends it.
        """
        from threadmill.doctor.checkup import FAIL, PASS, SKIP
        from threadmill.doctor.examination import as_lines, as_markdown, check_deployment

        with library_calls():
            findings = check_deployment(get_settings(), resolve=bool(context["params"]["resolve"]))
        for line in as_lines(findings):
            log.info("%s", line)
        failed = [finding for finding in findings if finding.status == FAIL]
        passed, skipped = (sum(finding.status == status for finding in findings) for status in (PASS, SKIP))
        context["ti"].xcom_push(key="table", value=as_markdown(findings))
        if failed:
            raise AirflowFailException(
                f"{len(failed)} of {len(findings)} checks failed: "
                + "; ".join(f"{finding.what}: {finding.detail} -> {finding.command}" for finding in failed)
            )
        return {"passed": passed, "skipped": skipped, "failed": 0}
