"""Healthcheck of one component of Airflow: `python deploy/health.py COMPONENT` exits 0 where it has a heartbeat of late.

It asks the API server, for the components' own command (`airflow jobs check`) takes seconds of a processor each time.
"""

import json
import os
import sys
import urllib.error
import urllib.request

COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")  # of /api/v2/monitor/health
TIMEOUT = 8.0  # seconds


def main(arguments: list[str]) -> str | None:
    """What is wrong with the component, in one line; None where nothing is."""
    if len(arguments) != 1 or arguments[0] not in COMPONENTS:
        return f"usage: python deploy/health.py {'|'.join(COMPONENTS)}"
    component = arguments[0]
    url = os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].removesuffix("/").removesuffix("/execution")
    try:
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=TIMEOUT) as answer:
            health = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError) as error:
        return f"the API server at {url} does not answer: {error}"
    status = (health.get(component) or {}).get("status")
    heartbeat = (health.get(component) or {}).get(f"latest_{component}_heartbeat")
    return None if status == "healthy" else f"{component} is {status}; its last heartbeat: {heartbeat}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
