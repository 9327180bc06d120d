"""Settings of the report stage."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting


@dataclass(frozen=True)
class ReportConfig:
    """How much the report shows."""

    examples: int = setting(6, "Conversations shown in the report", minimum=0, maximum=100)
    top_subreddits: int = setting(20, "Subreddits listed in the report", minimum=1, maximum=100)

    def __post_init__(self) -> None:
        check_settings(self)
