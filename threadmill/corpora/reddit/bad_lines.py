"""Counts the lines that could not be used, and fails a run that has too many of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from threadmill.corpora.reddit.comments import DeadLetter
from threadmill.corpora.reddit.dump_names import source_name
from threadmill.errors import InputError

_FIRST = 3


class BadLines:
    """Of any number of sources: how many lines were bad, by reason, and where the first are."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.first: list[str] = []

    def add(self, source: str, letters: Sequence[DeadLetter]) -> None:
        """Counts bad lines of a source."""
        self.reasons.update(letter.reason for letter in letters)
        for letter in letters[: _FIRST - len(self.first)]:
            self.first.append(f"{source_name(source)} line {letter.line} ({letter.reason})")

    def merge(self, part: Mapping[str, Any]) -> None:
        """Adds another source's `to_json`."""
        self.reasons.update(part["reasons"])
        self.first = [*self.first, *part["first"]][:_FIRST]

    def to_json(self) -> dict[str, Any]:
        """``{"reasons": {reason: lines}, "first": [where]}``."""
        return {"reasons": dict(sorted(self.reasons.items())), "first": self.first}

    def check(self, lines: int, max_bad_fraction: float) -> None:
        """Raises InputError where more than ``max_bad_fraction`` of the ``lines`` read were bad."""
        bad = self.reasons.total()
        if bad <= max_bad_fraction * lines:
            return
        reasons = ", ".join(f"{reason}: {count}" for reason, count in self.reasons.most_common())
        misnamed = self.reasons.most_common(1)[0][0] == "wrong month"
        remedy = "give the source a name without a month if it holds several" if misnamed else "download the source again"
        raise InputError(
            f"{bad} of {lines} lines ({bad / lines:.2%}) hold no usable comment, more than the bound of "
            f"{max_bad_fraction:.2%} ({reasons}); the first are {', '.join(self.first)}; "
            f"{remedy}, or raise --max-bad-fraction to go on without these lines"
        )
