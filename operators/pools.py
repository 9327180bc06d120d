"""Airflow's pools of ours: which one a task runs in, and how many tasks each lets run at once."""

from typing import Literal

from threadmill.errors import ConfigError
from threadmill.settings import get_settings

Work = Literal["engine", "warehouse", "trainer"]

DEFAULT_POOL = "default_pool"  # Airflow's own, always there
# A deferred task keeps its slot (`include_deferred`): it is the jobs at the service that a pool bounds, not the workers here.
SLOTS = {"bigquery": 8, "dataflow": 4, "tpu": 1, "vertex": 1}
DESCRIPTIONS = {
    "bigquery": "BigQuery jobs at once",
    "dataflow": "Dataflow jobs at once",
    "tpu": "Cloud TPUs at once",
    "vertex": "Vertex AI custom jobs at once",
}


def pool_of(work: Work) -> str:
    """The pool of a task that does ``work``, by where the settings say that it is done; Airflow's own for work done here."""
    place = dict(zip(("engine", "warehouse", "trainer"), get_settings().runs_on, strict=True))[work]
    return place if place in SLOTS else DEFAULT_POOL


def pool_slots() -> dict[str, int]:
    """Slots by pool: ours, with what THREADMILL_POOLS sets instead.

    Raises:
        ConfigError: an entry is not NAME=SLOTS of a pool there is.
    """
    slots = dict(SLOTS)
    for entry in filter(None, map(str.strip, get_settings().pools.split(","))):
        name, _, number = entry.partition("=")
        if name not in SLOTS or not number.isdecimal() or int(number) < 1:
            raise ConfigError(f"THREADMILL_POOLS has {entry!r}; write NAME=SLOTS, with a NAME of {', '.join(SLOTS)}")
        slots[name] = int(number)
    return slots


def pool_file() -> dict[str, dict[str, object]]:
    """What `airflow pools import` reads."""
    return {
        name: {"slots": slots, "description": DESCRIPTIONS[name], "include_deferred": True}
        for name, slots in pool_slots().items()
    }
