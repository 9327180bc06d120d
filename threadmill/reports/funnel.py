"""The funnel over a run's stages: what each read, kept, dropped and why, and wrote; as rows and as a plain-text table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Manifest

# What each stage counts: its input's unit and its output's. Another stage's are called records.
_UNITS = {
    "corpus": ("documents", "lines"),
    "ingest": ("lines", "comments"),
    "threads": ("comments", "comments"),
    "conversations": ("comments", "examples"),
    "dialogues": ("messages", "examples"),
    "deduplicate": ("examples", "examples"),
    "vocabulary": ("lines", "entries"),
    "records": ("documents", "records"),
    "train": ("records", "models"),
    "evaluate": ("records", "evaluations"),
    "report": ("datasets", "files"),
}
_OF_CONVERSATIONS = {"records": ("examples", "records")}  # whose documents are examples
_MAKES_EXAMPLES = {"conversations", "dialogues", "deduplicate"}
_RECORDS = ("records", "records")
_IN_ONE_PASS = {"source_month"}  # settings of how sources are read


@dataclass(frozen=True)
class FunnelStep:
    """One stage's counts.

    Attributes:
        stage: the manifest's stage.
        name: the dataset's name, or the names of several of one stage.
        unit: what ``read``, ``kept`` and ``dropped`` count.
        dropped: (reason, count), most frequent first.
        written_unit: what ``written`` counts.
    """

    stage: str
    name: str
    unit: str
    read: int
    kept: int
    dropped: tuple[tuple[str, int], ...]
    written: int
    written_unit: str

    def share(self, count: int) -> float:
        """``count`` as a fraction of what was read; 0 where nothing was."""
        return count / self.read if self.read else 0.0


def funnel(manifests: Iterable[Manifest]) -> list[FunnelStep]:
    """The steps of the given datasets, in the order given; those of one stage in a row, such as months, are one step."""
    steps = [list(group) for _, group in groupby(manifests, attrgetter("stage"))]
    units = {**_UNITS, **_OF_CONVERSATIONS} if _MAKES_EXAMPLES & {step[0].stage for step in steps} else _UNITS
    return [_step(step, units) for step in steps]


def _step(manifests: Sequence[Manifest], units: Mapping[str, tuple[str, str]]) -> FunnelStep:
    counters = Counters()
    for manifest in manifests:
        counters.merge(manifest.counters)
    unit, written_unit = units.get(manifest.stage, _RECORDS)
    if _IN_ONE_PASS & manifest.config.keys():
        unit = "lines"
    dropped = tuple(sorted(counters.dropped.items(), key=lambda item: (-item[1], item[0])))
    return FunnelStep(
        stage=manifest.stage,
        name=", ".join(manifest.name for manifest in manifests),
        unit=unit,
        read=counters.read,
        kept=counters.kept,
        dropped=dropped,
        written=counters.written,
        written_unit=written_unit.removesuffix("s") if counters.written == 1 else written_unit,
    )


def reason_words(reason: str) -> str:
    """A counter's name as people read it: ``response_too_short`` -> ``response too short``."""
    return reason.replace("_", " ")


def funnel_table(steps: Iterable[FunnelStep]) -> str:
    """The steps as a plain-text table: what a stage read, less each reason to drop, is what it kept and wrote."""
    rows = [("stage", "count", "unit", "share", "")]
    for step in steps:
        rows.append((step.stage, f"{step.read:,}", step.unit, "", "read"))
        rows.extend(("", f"-{count:,}", "", _percent(step.share(count)), reason_words(reason)) for reason, count in step.dropped)
        if step.kept == step.written:
            rows.append(("", f"{step.written:,}", step.written_unit, _percent(step.share(step.kept)), "kept and written"))
        else:
            rows.append(("", f"{step.kept:,}", "", _percent(step.share(step.kept)), "kept"))
            rows.append(("", f"{step.written:,}", step.written_unit, "", "written"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    stage, count, unit, share, what = row
    return f"{stage:<{widths[0]}}  {count:>{widths[1]}} {unit:<{widths[2]}}  {share:>{widths[3]}}  {what}".rstrip()


def _percent(share: float) -> str:
    return f"{share:.1%}"
