"""Leaves out of a piece of a source what the takedown ledger names."""

from collections.abc import Sequence
from dataclasses import replace

from threadmill.corpora.reddit.comments import DeadLetter, Parsed
from threadmill.takedown.ledger import Ledger


def leave_out(parsed: Parsed, ledger: Ledger) -> tuple[Parsed, int]:
    """``parsed`` less the comments that the ledger names, and how many those are.

    Dead letters quote nothing then: see `without_quotes`.
    """
    if not len(ledger):
        return parsed, 0
    kept = parsed.comments.filter(~ledger.mask(parsed.comments))
    return replace(parsed, comments=kept, letters=without_quotes(parsed.letters)), parsed.comments.height - kept.height


def without_quotes(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """The same where there is a ledger: whose a line is that cannot be read, nobody can tell. Their places and reasons stay."""
    return [replace(letter, detail="", text="") for letter in letters]
