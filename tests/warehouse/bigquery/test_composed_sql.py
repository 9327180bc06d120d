"""What is composed around the statements of sql/ is GoogleSQL: zetasql parses it."""

from pathlib import Path

import pytest
from zetasql.api import Parser
from zetasql.types import LanguageOptions

from tests.conversations.worlds import comment, make_comments
from tests.fakes.bigquery import FakeBigQuery
from tests.sql.evaluator import keep_compiled_code
from threadmill.cloud.identity import RunIdentity
from threadmill.conversations.config import ThreadsConfig
from threadmill.conversations.thread_tables import _ThreadTables
from threadmill.conversations.threads import ThreadsStage
from threadmill.datasets.dataset import Dataset
from threadmill.engine.phases import StageRun
from threadmill.engine.site import Site
from threadmill.warehouse.bigquery import comments as comment_table
from threadmill.warehouse.bigquery.jobs import QueryJob, _create_table


@pytest.mark.parametrize("shards", [1, 9_000])
def test_the_statements_of_threads_are_googlesql(bigquery: FakeBigQuery, tmp_path: Path, shards: int) -> None:
    keep_compiled_code()
    dataset = Dataset.open(make_comments(tmp_path, [comment("a", "t3_t")]))
    stage = ThreadsStage((dataset.uri,), ThreadsConfig(num_shards_train=shards))
    run = StageRun(stage.plan(), str(tmp_path / "out"), "key", Site(RunIdentity("d", "r", "t"), warehouse="bigquery"))
    jobs = [
        job for job in _ThreadTables(stage, run, [dataset], stage.shard_counts([dataset])).works() if isinstance(job, QueryJob)
    ]
    texts = [_create_table("p1", "d", job.destination, job.sql) if job.destination else job.sql for job in jobs]
    parser = Parser(LanguageOptions.maximum_features())
    for text in [*texts, comment_table._merge(dataset, "`p1.d.loaded`")]:
        assert parser.parse_statement(text) is not None
    partitions = {1: "GENERATE_ARRAY(0, 3, 1)", 9_000: "GENERATE_ARRAY(0, 9003, 3)"}
    assert partitions[shards] in texts[-1]
    assert not texts[-1].rstrip().endswith("parent_kind")
    assert "ORDER BY split_index" not in texts[-1]
