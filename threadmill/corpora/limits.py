"""Limits of the checks of comments."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.months import check_month


@dataclass(frozen=True)
class CommentLimits:
    """What a dataset of comments must hold to. Rates are fractions of all comments; one that is 1 limits nothing."""

    month: str = setting("", "Month (YYYY-MM) that the comments should be of. Empty: of any")
    min_comments: int = setting(1, "Comments at least", minimum=1)
    max_duplicate_rate: float = setting(0.01, "Comments whose id came before, at most", minimum=0, maximum=1)
    max_null_rate: float = setting(0.01, "Comments without a body, an author or a subreddit, at most each", minimum=0, maximum=1)
    min_tombstone_rate: float = setting(0.0, "Comments whose body was removed, at least", minimum=0, maximum=1)
    max_tombstone_rate: float = setting(0.5, "Comments whose body was removed, at most", minimum=0, maximum=1)
    max_other_month_rate: float = setting(0.01, "Comments of another month than the one named, at most", minimum=0, maximum=1)

    def __post_init__(self) -> None:
        if self.month:
            check_month(self.month)
        check_settings(self)
