"""Settings of the ingest stage."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting


@dataclass(frozen=True)
class IngestConfig:
    """How comments are cut into shards."""

    shard_rows: int = setting(1_000_000, "Comments a shard at most: a million is about 128 MB", minimum=1)

    def __post_init__(self) -> None:
        check_settings(self)
