"""The DAGs as Airflow loads them, and a database for those that run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow_home import DAGS  # isort: skip (sets Airflow's variables)
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from threadmill.settings import get_settings


@pytest.fixture(scope="session")
def dag_bag() -> DagBag:
    return DagBag(dag_folder=str(DAGS))


@pytest.fixture(scope="session")
def reddit_refresh(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["reddit_refresh"]


@pytest.fixture(scope="session")
def text_corpus(dag_bag: DagBag) -> DAG:
    return dag_bag.dags["text_corpus"]


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """An empty database in this process's AIRFLOW_HOME."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """THREADMILL_ROOT for a module's tests; each stage runs in one process, which is quicker where there is little to do."""
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADMILL_ROOT", str(root))
        patch.setenv("THREADMILL_WORKERS", "1")
        get_settings.cache_clear()
        yield root
    get_settings.cache_clear()
