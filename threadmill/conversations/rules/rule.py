"""What a rule is: a name, and an expression that is true for a comment that breaks it."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from threadmill.conversations.config import ConversationsConfig


@dataclass(frozen=True)
class Rule:
    """A rule that looks at one comment alone.

    Attributes:
        name: counters are response_NAME, context_NAME and so on.
        broken: for a config, an expression over the columns of a comment that is true where it breaks the rule (null is
            no breach), or None where the config does not ask for the rule.
        costly: ask only of comments that break no other rule, their length apart.
    """

    name: str
    broken: Callable[[ConversationsConfig], pl.Expr | None]
    costly: bool = False
