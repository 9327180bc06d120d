"""Settings of the report stages."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.conversations.limits import ConversationLimits


@dataclass(frozen=True)
class ReportConfig(ConversationLimits):
    """How much the report shows, and the limits that its table of checks judges by."""

    examples: int = setting(6, "Conversations shown in the report", minimum=0, maximum=100)
    top_subreddits: int = setting(20, "Subreddits listed in the report", minimum=1, maximum=100)


@dataclass(frozen=True)
class TextReportConfig:
    """How much the report on a text corpus shows."""

    examples: int = setting(6, "Documents shown in the report", minimum=0, maximum=100)

    def __post_init__(self) -> None:
        check_settings(self)
