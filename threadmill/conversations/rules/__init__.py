"""Which comments can be turns of a dialogue: small named rules, each with its own counter in the funnel."""

from threadmill.conversations.rules.preparation import prepare
from threadmill.conversations.rules.registry import RULES, fault_names

__all__ = ["RULES", "fault_names", "prepare"]
