"""All rules that look at one comment alone, in the order in which a comment that breaks several is counted."""

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rules import lengths, removals
from threadmill.conversations.rules.rule import Rule

RULES = (
    Rule("tombstone", removals.tombstone),
    Rule("too_long", lengths.too_long),
    Rule("too_short", lengths.too_short),
)


def fault_names(config: ConversationsConfig) -> tuple[str, ...]:
    """The name of each bit of `faults`, from the lowest."""
    return tuple(rule.name for rule in RULES)
