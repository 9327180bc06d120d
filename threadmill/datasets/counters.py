"""The funnel of a stage: read = kept + dropped by reason, in units of the input; written counts output records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadmill.errors import IntegrityError


@dataclass
class Counters:
    """Counts of one task or stage. ``extra`` holds what a stage adds beside the funnel."""

    read: int = 0
    kept: int = 0
    written: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    extra: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, count: int = 1) -> None:
        """Counts ``count`` inputs as dropped for ``reason``; a count of 0 leaves no entry."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + int(count)

    def merge(self, other: "Counters") -> None:
        """Adds another task's counts to these."""
        self.read += other.read
        self.kept += other.kept
        self.written += other.written
        for reason, count in other.dropped.items():
            self.drop(reason, count)
        for name, count in other.extra.items():
            self.extra[name] = self.extra.get(name, 0) + count

    def check(self, where: str) -> None:
        """Raises IntegrityError unless read = kept + all dropped."""
        total = self.kept + sum(self.dropped.values())
        if self.read != total:
            raise IntegrityError(
                f"{where}: read {self.read} but kept {self.kept} + dropped {sum(self.dropped.values())} = {total}; "
                "this is a fault of Threadmill: please report it with the counters above"
            )

    def to_json(self) -> dict[str, Any]:
        """The manifest's ``counters`` object."""
        funnel = {"read": self.read, "kept": self.kept, "dropped": dict(sorted(self.dropped.items()))}
        return {**funnel, "written": self.written, **dict(sorted(self.extra.items()))}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Counters":
        """The inverse of `to_json`."""
        known = {"read", "kept", "dropped", "written"}
        extra = {name: count for name, count in value.items() if name not in known}
        return cls(value["read"], value["kept"], value["written"], dict(value["dropped"]), extra)
