"""Writes the shards of a dataset anew that hold what a ledger takes down, and no others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from threadmill.conversations.reading import read_examples
from threadmill.conversations.rewriting import read_all, write_examples
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.storage import local_path
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.takedown.examples import MARKS, mark, without_marked
from threadmill.takedown.ledger import Ledger
from threadmill.takedown.letters import empty_letters

COMMENTS, EXAMPLES = ("ingest", "threads"), ("conversations", "deduplicate")
STAGES = (*COMMENTS, *EXAMPLES)
"""The stages whose datasets hold what can be taken down by itself; what is made of them is made again."""

_MASK_COLUMNS = ["id", "parent_kind", "author"]


@dataclass(frozen=True)
class Takedown(MapStage):
    """The part that workers do, a task a shard and one a file of dead letters, which lose what they quote.

    A task whose shard holds nothing that the ledger names writes nothing. The statistics of a task tell what went: ``dropped``
    and ``cut`` records, dead letters that were ``emptied``, and of comments ``months``, ``removals`` and ``body_bytes``, as the
    ingest stage counts them.

    Args:
        dataset: of one of STAGES.
        dry: only counts.
    """

    name = "takedown"
    version = 1
    unit = "shards"
    config = None

    dataset: Dataset
    ledger: Ledger
    dry: bool = False

    def plan(self) -> Plan:
        """One task a file; those of dead letters only where the ledger names anything.

        Raises:
            InputError: the examples do not tell who wrote their turns.
        """
        manifest = self.dataset.manifest
        missing = sorted(set(MARKS) - {entry.name for entry in manifest.schema})
        if manifest.stage in EXAMPLES and missing:
            raise InputError(
                f"{self.dataset.uri}: its examples have no {', '.join(missing)}; run its stage again with the ledger"
            )
        files = (*manifest.shards, *(manifest.dead_letters if len(self.ledger) else ()))
        return Plan((), tuple(Task(file.name, self.dataset.path(file)) for file in files), manifest.schema)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes one file anew, if it must be."""
        if any(task.name == letters.name for letters in self.dataset.manifest.dead_letters):
            emptied = empty_letters(task.name, task.payload, output, dry=self.dry)
            return output.result(task, Counters(), {"dropped": 0, "cut": 0, "emptied": emptied})
        take_down = self._comments if self.dataset.manifest.stage in COMMENTS else self._examples
        return output.result(task, Counters(), take_down(task.name, task.payload, output))

    def _examples(self, name: str, uri: str, output: TaskOutput) -> dict[str, Any]:
        marks = mark(read_examples(uri, MARKS), self.ledger)
        if (marks.dropped or marks.cut) and not self.dry:
            features = [entry.name for entry in self.dataset.manifest.schema]
            write_examples(output, name, without_marked(read_all(uri, features), marks))
        return {"dropped": marks.dropped, "cut": marks.cut, "emptied": 0}

    def _comments(self, name: str, uri: str, output: TaskOutput) -> dict[str, Any]:
        with pq.ParquetFile(local_path(uri)) as file:
            groups = range(file.num_row_groups)
            taken = [self.ledger.mask(pl.DataFrame(file.read_row_group(group, _MASK_COLUMNS))) for group in groups]
            dropped = sum(int(mask.sum()) for mask in taken)
            if not dropped or self.dry:
                return {"dropped": dropped, "cut": 0, "emptied": 0}
            return {"dropped": dropped, "cut": 0, "emptied": 0, **_write_remaining(file, taken, name, output)}


def _write_remaining(file: pq.ParquetFile, taken: Sequence[pl.Series], name: str, output: TaskOutput) -> dict[str, Any]:
    """Writes the rows that stay, in the row groups they were in (a thread lies in one); returns what went."""
    months, removals, body_bytes = Counter[str](), Counter[str](), 0
    with (
        output.shard(name) as stream,
        pq.ParquetWriter(
            stream, file.schema_arrow, compression="zstd", compression_level=1, use_dictionary=_dictionary_columns(file)
        ) as writer,
    ):
        for group, mask in enumerate(taken):
            rows = file.read_row_group(group)
            left = rows.filter((~mask).to_arrow())
            if left.num_rows:
                writer.write_table(left.combine_chunks(), row_group_size=left.num_rows)
                stream.records += left.num_rows
            gone = pl.DataFrame(rows.select(["month", "removal", "body"]).filter(mask.to_arrow()))
            months.update(gone["month"].drop_nulls())
            removals.update(gone["removal"].drop_nulls())
            body_bytes += int(gone["body"].str.len_bytes().sum())
    return {"months": dict(months), "removals": dict(removals), "body_bytes": body_bytes}


def _dictionary_columns(file: pq.ParquetFile) -> list[str]:
    if not file.num_row_groups:
        return []
    group = file.metadata.row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    return [column.path_in_schema for column in columns if column.has_dictionary_page]
