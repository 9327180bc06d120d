"""Leaves out of a piece of a source what the takedown ledger names."""

from dataclasses import replace

from threadmill.corpora.reddit.comments import Parsed
from threadmill.takedown.ledger import Ledger


def leave_out(parsed: Parsed, ledger: Ledger) -> tuple[Parsed, int]:
    """``parsed`` less the comments that the ledger names, and how many those are.

    Dead letters quote nothing then: whose a line is that cannot be read, nobody can tell. Their places and reasons stay.
    """
    if not len(ledger):
        return parsed, 0
    kept = parsed.comments.filter(~ledger.mask(parsed.comments))
    letters = [replace(letter, detail="", text="") for letter in parsed.letters]
    return replace(parsed, comments=kept, letters=letters), parsed.comments.height - kept.height
