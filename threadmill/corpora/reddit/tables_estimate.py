"""What BigQuery would bill for the tables stage, from dry runs, which are free."""

from dataclasses import dataclass

from threadmill.corpora.reddit.config import TablesConfig
from threadmill.corpora.reddit.tables import wanted_tables
from threadmill.corpora.reddit.tables_sql import source_select
from threadmill.warehouse.bigquery.catalog import billed_bytes, table_facts, table_names

# The jobs after the first read the table that it makes: the comments' columns, then those of what is wrong and what shows it,
# which hold each text once more. By the types' documented sizes, for comments of 170 characters.
_SCRATCH_READS = 2.4


@dataclass(frozen=True)
class TablesEstimate:
    """Bytes.

    Attributes:
        source: of the monthly tables' columns that are used.
        billed: by all jobs of the stage together, about.
    """

    source: int
    billed: int


def estimate_bytes(project: str, config: TablesConfig) -> TablesEstimate:
    """What reading monthly tables of BigQuery would bill.

    Raises:
        InputError: no such table, or one that cannot be read; see `TablesStage.plan`.
    """
    source = 0
    for name in wanted_tables(table_names(project, config.dataset), config, f"bigquery:{project}"):
        columns = table_facts(project, config.dataset, name).columns
        source += billed_bytes(source_select(project, config.dataset, name, columns))
    return TablesEstimate(source, round(source * (1 + _SCRATCH_READS)))
