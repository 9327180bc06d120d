"""Near-duplicates across the splits by the site's engine, which makes the signatures, and BigQuery, which compares them."""

from collections.abc import Generator, Iterator

from threadmill.cloud.work import JOBS, Waiting
from threadmill.conversations.config import SPLITS
from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.digest import config_json, json_digest
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.duplicate_tables import load_signatures, signature_views
from threadmill.deduplication.signatures import SignaturesStage
from threadmill.engine.phases import StagePhase, StageRun
from threadmill.engine.site import Site
from threadmill.engine.stage import Plan
from threadmill.warehouse.bigquery.client import open_client
from threadmill.warehouse.bigquery.jobs import Destination, Job, QueryJob
from threadmill.warehouse.bigquery.phase import SqlPhase
from threadmill.warehouse.bigquery.rows import read_rows
from threadmill.warehouse.bigquery.scratch import scratch_dataset
from threadmill.warehouse.bigquery.views import over

_COUNT = "cross_split_duplicates"


def count_in_tables(dataset: Dataset, config: DeduplicationConfig, site: Site) -> Generator[Waiting, None, int]:
    """As `threadmill.deduplication.leakage.cross_split_duplicates`, of a dataset with train and another split.

    Yields remote work that is under way; called again, finds what is done. Leaves nothing but the number.
    """
    key = json_digest([_COUNT, dataset.manifest.digest, config_json(config)])
    run = StageRun(Plan((), (), ()), dataset.uri, key, site)
    signing = StagePhase(SignaturesStage(dataset.uri, config), run.between("signatures"), site)
    yield from signing.steps()
    counting = SqlPhase(run, [*_jobs(Dataset.open(signing.uri, "signatures"))])
    yield from counting.steps()
    batches = read_rows(f"{open_client().project}.{scratch_dataset(run)}.{_COUNT}")
    (count,) = (int(row["examples"]) for batch in batches for row in batch.to_pylist())
    counting.clean_up()
    signing.clean_up()
    storage.remove_tree(storage.join(run.uri, JOBS))  # the dataset is finished: it keeps no records of later jobs
    return count


def _jobs(signatures: Dataset) -> Iterator[Job]:
    parts = [shards for split in SPLITS if (shards := signatures.shards(split))]
    for part, shards in enumerate(parts):
        yield load_signatures(part, [signatures.path(shard) for shard in shards])
    yield QueryJob(_COUNT, over(_COUNT, signature_views(len(parts))), destination=Destination(_COUNT))
