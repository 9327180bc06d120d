"""Settings of the ingest stage."""

import re
from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError
from threadmill.months import check_month


@dataclass(frozen=True)
class SourceConfig:
    """How dumps are read, wherever their rows go."""

    source_month: str = setting(
        "", "YYYY-MM that all sources are of; empty: what each name says (RC_YYYY-MM, RS_YYYY-MM), any month where it says none"
    )
    max_bad_fraction: float = setting(
        0.01, "Lines without a usable comment, of all lines read, above which the run fails", minimum=0, maximum=1
    )
    keep_partial: bool = setting(
        False, "Keep what is whole of a truncated or corrupt source, and mark the dataset as partial, instead of failing"
    )
    merge_dumps: bool = setting(False, "Take several dumps of the same month, such as a rescan, as one")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.source_month:
            check_month(self.source_month)


@dataclass(frozen=True)
class IngestConfig(SourceConfig):
    """How dumps are read, and how their comments are cut into shards."""

    shard_rows: int = setting(1_000_000, "Comments a shard at most: a million is about 128 MB", minimum=1)


@dataclass(frozen=True)
class TablesConfig:
    """Which monthly tables of a database are read, and how their comments are cut into shards."""

    dataset: str = setting("reddit_comments", "Dataset (in DuckDB: schema) that holds the tables")
    pattern: str = setting(
        "", "Regular expression for the names of the tables, such as ^201[5678]_[01][0-9]$; empty: all named YYYY_MM"
    )
    month: str = setting("", "YYYY-MM of the one table wanted, instead of a pattern")
    max_bad_fraction: float = setting(
        0.01, "Rows without a usable comment, of all rows read, above which the run fails", minimum=0, maximum=1
    )
    shard_rows: int = setting(1_000_000, "Comments a shard at most: a million is about 128 MB", minimum=1)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.month and self.pattern:
            raise ConfigError("both a month and a pattern were given; give one of them")
        if self.month:
            check_month(self.month)
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ConfigError(
                f"pattern is {self.pattern!r}, which is no regular expression ({error}); write one such as ^2015_"
            ) from None
