"""Limits of the checks of comments."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError
from threadmill.months import check_month


@dataclass(frozen=True)
class CommentLimits:
    """What a dataset of comments must hold to. Rates are fractions of all comments; one that is 1 limits nothing.

    Submissions that lie among them are no comments. The last three are drift: they hold against the month before, where its
    comments are given.
    """

    month: str = setting("", "Month (YYYY-MM) that the comments should be of. Empty: of any")
    min_comments: int = setting(1, "Comments at least", minimum=1)
    max_duplicate_rate: float = setting(0.01, "Comments whose id came before, at most", minimum=0, maximum=1)
    max_null_rate: float = setting(0.01, "Comments without a body, an author or a subreddit, at most each", minimum=0, maximum=1)
    min_tombstone_rate: float = setting(0.0, "Comments whose body was removed, at least", minimum=0, maximum=1)
    max_tombstone_rate: float = setting(0.5, "Comments whose body was removed, at most", minimum=0, maximum=1)
    max_other_month_rate: float = setting(0.01, "Comments of another month than the one named, at most", minimum=0, maximum=1)
    max_missing_days: int = setting(
        0, "Days without a comment, at most; not judged below 100 comments a day", minimum=0, maximum=31
    )
    min_comments_ratio: float = setting(0.5, "Comments a day as a multiple of the month before's, at least", minimum=0)
    max_comments_ratio: float = setting(4.0, "Comments a day as a multiple of the month before's, at most", minimum=0)
    max_tombstone_change: float = setting(
        0.1, "How far the rate of removed bodies may be from the month before's", minimum=0, maximum=1
    )

    def __post_init__(self) -> None:
        if self.month:
            check_month(self.month)
        check_settings(self)
        for name in ("tombstone_rate", "comments_ratio"):
            least, most = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if least > most:
                raise ConfigError(f"min_{name} is {least:g} and max_{name} {most:g}; swap them")
