"""What the stages and checks after an ingestion ask about its comments: measured a piece at a time, merged over sources."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from threadmill.corpora.reddit.bad_lines import BadLines
from threadmill.corpora.reddit.comments import Parsed


class CommentStatistics:
    """Comments a month, tombstones by who removed, UTF-8 bytes of all bodies, lines read, bad lines."""

    def __init__(self) -> None:
        self.months: Counter[str] = Counter()
        self.removals: Counter[str] = Counter()
        self.body_bytes = 0
        self.lines = 0
        self.bad_lines = BadLines()

    def add(self, source: str, parsed: Parsed) -> None:
        """Counts what a piece of a source gave."""
        frame = parsed.comments
        self.lines += parsed.lines
        self.months.update(dict(frame["month"].value_counts().iter_rows()))
        self.removals.update(dict(frame["removal"].drop_nulls().value_counts().iter_rows()))
        self.body_bytes += int(frame["body"].str.len_bytes().sum())
        self.bad_lines.add(source, parsed.letters)

    def merge(self, part: Mapping[str, Any]) -> None:
        """Adds another's `to_json`."""
        self.months.update(part["months"])
        self.removals.update(part["removals"])
        self.body_bytes += part["body_bytes"]
        self.lines += part["lines"]
        self.bad_lines.merge(part["bad_lines"])

    def to_json(self) -> dict[str, Any]:
        """As in the manifest."""
        return {
            "months": dict(sorted(self.months.items())),
            "removals": dict(sorted(self.removals.items())),
            "body_bytes": self.body_bytes,
            "lines": self.lines,
            "bad_lines": self.bad_lines.to_json(),
        }


def merged_statistics(parts: Sequence[Mapping[str, Any]], max_bad_fraction: float) -> dict[str, Any]:
    """The statistics of all sources; raises InputError where too many lines of all of them together are bad."""
    merged = CommentStatistics()
    for part in parts:
        merged.merge(part)
    merged.bad_lines.check(merged.lines, max_bad_fraction)
    return merged.to_json()
