"""A conversation's turns, or a text's beginning, as the ids that a model reads, as the records that it learned were made."""

from collections.abc import Sequence


def joined_turns(turns: Sequence[Sequence[int]], separator: int, room: int) -> list[int]:
    """The newest turns that fit, with ``separator`` between them; of a newest turn that is too long alone its last tokens.

    So `threadmill.pretraining.context_response` lays out a context.

    Args:
        turns: the ids of each, oldest first; those without any are left out.
        room: tokens at most.
    """
    told = [list(turn) for turn in turns if turn]
    if not told:
        return []
    context = told.pop()[-room:]
    while told and len(told[-1]) + 1 + len(context) <= room:
        context = [*told.pop(), separator, *context]
    return context


def ended_turns(turns: Sequence[Sequence[int]], separator: int) -> list[int]:
    """All turns, with ``separator`` behind each but the last, which is to go on; so causal records lay out a conversation.

    Args:
        turns: the ids of each; an empty last one is a turn that is to begin.
    """
    *before, last = turns
    return [token for turn in before if turn for token in (*turn, separator)] + list(last)
