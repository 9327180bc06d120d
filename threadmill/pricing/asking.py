"""What BigQuery itself says of a run's queries, by dry runs, which are free."""

import logging
from collections.abc import Mapping, Sequence

from threadmill.corpora.reddit.config import TablesConfig
from threadmill.errors import ThreadmillError

log = logging.getLogger(__name__)

_SCHEME = "bigquery:"


def asked_bytes(sources: Sequence[str], config: TablesConfig) -> Mapping[str, int]:
    """Bytes that the stage `ingest` would be billed for over monthly tables of BigQuery; nothing where they cannot be asked.

    Args:
        sources: of the run; one of bigquery:PROJECT is asked.
    """
    project = next((source.removeprefix(_SCHEME) for source in sources if source.startswith(_SCHEME)), "")
    if not project:
        return {}
    try:
        from threadmill.corpora.reddit.tables_estimate import estimate_bytes

        return {"ingest": estimate_bytes(project, config).billed}
    except (ThreadmillError, ImportError) as error:
        log.warning("BigQuery could not be asked what its tables would bill (%s); priced by published figures instead", error)
        return {}
