"""DAGs that a test writes, as Airflow loads them."""

from pathlib import Path

from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.sdk import DAG

_BUNDLE = "dags-folder"


def dag_of(text: str, folder: Path, dag_id: str) -> DAG:
    """The DAG of a file with this text, written into ``folder`` and made known to the database: ready for ``test()``."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.utils.db import initdb

    initdb()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{dag_id}.py").write_text(text)
    bag = DagBag(dag_folder=str(folder), bundle_name=_BUNDLE)
    assert not bag.import_errors, bag.import_errors
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, _BUNDLE, None)
    return bag.dags[dag_id]
