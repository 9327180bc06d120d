"""Templates of what the tasks before returned: the plan's entries, and URIs of datasets."""

import json
from collections.abc import Sequence


def planned(name: str) -> str:
    """The template of one entry of the plan. (A template draws no edge in the graph: the order of tasks tells it all.)"""
    return "{{ ti.xcom_pull(task_ids='plan', key='" + name + "') }}"


def planned_list(name: str) -> str:
    """The template of an entry that is a list, which comes as JSON."""
    return "{{ ti.xcom_pull(task_ids='plan', key='" + name + "') | tojson }}"


def returned(task_id: str) -> str:
    """The template of the URI that a task returned."""
    return "{{ ti.xcom_pull(task_ids='" + task_id + "') }}"


def listed(value: str | Sequence[str]) -> tuple[str, ...]:
    """The list that such a template was rendered to, or a list that was given as one."""
    return tuple(json.loads(value) if isinstance(value, str) else value)
