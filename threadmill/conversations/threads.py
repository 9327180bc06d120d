"""The threads stage: comments to shards of whole threads, each thread in its split and bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadmill.conversations.config import SPLIT_RULES, ThreadsConfig
from threadmill.conversations.placement import shard_counts, split_edges
from threadmill.conversations.thread_shards import write_shards
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.datasets.shards import ShardName
from threadmill.engine.phases import Phase, StageRun
from threadmill.engine.prefetch import prefetch
from threadmill.engine.stage import Plan, StreamStage, Task, TaskResult
from threadmill.errors import InputError
from threadmill.months import month_range
from threadmill.takedown.ledger import Ledger
from threadmill.warehouse.duckdb import DuckDBWarehouse


@dataclass(frozen=True)
class ThreadsStage(StreamStage):
    """Groups comments by thread in the warehouse. The funnel counts comments.

    Every row group of a shard holds whole threads, so that a reader needs one at a time.

    Args:
        comments: URIs of comments datasets, the older before the newer.
        memory_limit: what the warehouse may hold before it spills to disk, such as "1GB".
        ledger: URI of a takedown ledger, whose comments are left out; "" for none.
    """

    name = "threads"
    version = 1
    unit = "comments"

    comments: tuple[str, ...]
    config: ThreadsConfig = field(default_factory=ThreadsConfig)
    memory_limit: str = "1GB"
    ledger: str = ""

    def plan(self) -> Plan:
        """One task a shard.

        Raises:
            InputError: a dataset is missing or holds no comments, or none has comments of the month.
        """
        datasets = [Dataset.open(uri) for uri in self.comments]
        if not datasets:
            raise InputError("no comments dataset was named; run the ingest stage first")
        for dataset in datasets:
            if dataset.manifest.stage != "ingest":
                raise InputError(f"{dataset.uri} is a dataset of stage {dataset.manifest.stage}; name a comments dataset")
        months = {month for dataset in datasets for month in dataset.manifest.statistics["months"]}
        if self.config.month and self.config.month not in months:
            raise InputError(
                f"no comment of {self.config.month} in {', '.join(self.comments)} (they hold {month_range(months)}); "
                "name the month's dump among the sources, or another month"
            )
        shards = [
            ShardName(split, index, count, "parquet")
            for split, count in self.shard_counts(datasets).items()
            for index in range(count)
        ]
        schema = (*datasets[0].manifest.schema, Field("is_new", "bool"))
        inputs = [dataset.as_input() for dataset in datasets]
        if self.ledger:
            inputs.append(Ledger.load(self.ledger).as_input())
        partial = any(dataset.manifest.partial for dataset in datasets)
        return Plan(tuple(inputs), tuple(Task(str(shard)) for shard in shards), schema, partial)

    def shard_counts(self, datasets: Sequence[Dataset]) -> dict[str, int]:
        """Shards of each split."""
        return shard_counts(self.config, sum(dataset.manifest.statistics["body_bytes"] for dataset in datasets))

    def phases(self, run: StageRun) -> Sequence[Phase]:
        """Jobs of BigQuery and a task a bucket, where that is the warehouse."""
        if run.site.warehouse != "bigquery":
            return ()
        from threadmill.conversations.thread_tables import thread_phases

        return thread_phases(self, run)

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        """Sorts all comments by shard and thread, and cuts the stream into the shards asked for."""
        datasets = [Dataset.open(comments) for comments in self.comments]
        files = [[dataset.path(shard) for shard in dataset.manifest.shards] for dataset in datasets]
        counts = self.shard_counts(datasets)
        with DuckDBWarehouse(self.memory_limit, workers, uri) as warehouse:
            dropped = {"taken_down": self._load(warehouse, files)}
            warehouse.create("duplicates", "duplicate_comments", {"prefer_original": self.config.prefer_original})
            dropped["duplicate"] = warehouse.query("count_duplicates")["dropped"][0].as_py()
            rows = warehouse.stream("threads", self.parameters(counts))
            yield from write_shards(prefetch(rows), rows.schema, counts, {task.name for task in tasks}, uri, dropped)

    def _load(self, warehouse: DuckDBWarehouse, files: Sequence[Sequence[str]]) -> int:
        """Makes the comments readable less those that the ledger names, of which it returns the number."""
        if not self.ledger:
            warehouse.load("comments", *files)
            return 0
        warehouse.load("all_comments", *files)
        warehouse.store("ledger", Ledger.load(self.ledger).entries().to_arrow())
        warehouse.create("taken_down", "taken_down")
        warehouse.define("comments", "remaining_comments")
        return int(warehouse.query("count_taken_down")["dropped"][0].as_py())

    def parameters(self, counts: Mapping[str, int]) -> dict[str, Any]:
        """Those of sql/threads.sql."""
        rule = SPLIT_RULES[self.config.split_rule]
        return {
            "split_digit": rule.first_digit,
            "split_digits": rule.digits,
            **split_edges(self.config),
            "train_shards": max(1, counts["train"]),
            "validation_shards": max(1, counts["validation"]),
            "test_shards": max(1, counts["test"]),
            "month": self.config.month,
        }
