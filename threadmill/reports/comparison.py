"""Two datasets side by side: settings, inputs, funnels, and how their examples differ; `threadmill diff`."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from threadmill.conversations.drift import chance_variation, length_changes, total_variation
from threadmill.conversations.reading import read_examples
from threadmill.conversations.statistics import CONVERSATIONS, conversation_statistics
from threadmill.conversations.yields import yield_of
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest
from threadmill.reports.dialogue import printable
from threadmill.reports.funnel import reason_words
from threadmill.reports.layout import flat_settings
from threadmill.reports.tables import aligned
from threadmill.warehouse.duckdb import DuckDBWarehouse

_THREADS = 2
_KEY = ["thread_id", "example_id"]
_KINDS = {"same": "equal in both", "changed": "changed", "only_before": "in the first only", "only_after": "in the second only"}
_SUBREDDITS = 10


def comparison(before: Dataset, after: Dataset, memory_limit: str) -> Iterator[str]:
    """The lines. Safe to print.

    Memory: one shard, and what the warehouse may hold before it spills; 40 bytes an example of temporary files and more.

    Raises:
        IntegrityError: a damaged shard.
    """
    first, second = before.manifest, after.manifest
    yield from (_head("first", before), _head("second", after))
    if first.digest == second.digest:
        yield "equal: their manifests have the same digest, so all their files are the same"
        return
    yield from _section("Settings that differ", ("setting", "first", "second"), _settings(first, second), left=3)
    yield from _section("Inputs that differ", ("input", "first", "second"), _inputs(first, second), left=3)
    yield from _section("Funnel", ("", "first", "second", "change"), _funnel(first, second))
    if first.stage in CONVERSATIONS and second.stage in CONVERSATIONS:
        yield from _examples(before, after, memory_limit)


def _head(which: str, dataset: Dataset) -> str:
    manifest = dataset.manifest
    partial = ", partial" if manifest.partial else ""
    about = (
        f"{manifest.name}, {manifest.stage} (version {manifest.version}){partial}, {manifest.records:,} records, {dataset.uri}"
    )
    return printable(f"{which + ':':<8}{about}")


def _section(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    yield f"\n{title}" + ("" if rows else ": none")
    if rows:
        yield from aligned([heads, *rows], left)


def _settings(first: Manifest, second: Manifest) -> list[tuple[str, str, str]]:
    one, other = (dict(flat_settings(manifest.config)) for manifest in (first, second))
    made = [f"{manifest.stage}, version {manifest.version}" for manifest in (first, second)]
    names = {**one, **other} if first.stage == second.stage else one.keys() & other.keys()  # other stages have other settings
    rows = [("(stage)", made[0], made[1]), *((name, one.get(name, "-"), other.get(name, "-")) for name in sorted(names))]
    return [(name, left, right) for name, left, right in rows if left != right]


def _inputs(first: Manifest, second: Manifest) -> list[tuple[str, str, str]]:
    one, other = ({(entry.name, entry.digest) for entry in manifest.inputs} for manifest in (first, second))
    differ = sorted(one ^ other)

    def told(entry: tuple[str, str], inputs: set[tuple[str, str]]) -> str:
        return entry[1][:12] if entry in inputs else "-"

    return [(entry[0], told(entry, one), told(entry, other)) for entry in differ]


def _funnel(first: Manifest, second: Manifest) -> list[tuple[str, str, str, str]]:
    one, other = (manifest.counters for manifest in (first, second))
    reasons = {**one.dropped, **other.dropped}
    dropped = sorted(reasons, key=lambda reason: (-max(one.dropped.get(reason, 0), other.dropped.get(reason, 0)), reason))
    counts = [
        ("read", one.read, other.read),
        *((f"- {reason_words(reason)}", one.dropped.get(reason, 0), other.dropped.get(reason, 0)) for reason in dropped),
        ("kept", one.kept, other.kept),
        ("written", one.written, other.written),
    ]
    return [(name, f"{left:,}", f"{right:,}", f"{right - left:+,}" if right != left else "") for name, left, right in counts]


def _examples(before: Dataset, after: Dataset, memory_limit: str) -> Iterator[str]:
    rows = [
        (_KINDS[kind], f"{count:,}", f"such as {least}" if kind != "same" else "")
        for kind, (count, least) in _differences(before, after, memory_limit).items()
    ]
    names = [{entry.name for entry in dataset.manifest.schema} for dataset in (before, after)]
    yield from _section("Examples, by example_id", ("", "examples", ""), rows)
    for which, extra in (("first", names[0] - names[1]), ("second", names[1] - names[0])):
        if extra:
            yield f"features of the {which} only, not compared: {printable(', '.join(sorted(extra)))}"
    yield from _drift(before, after)


def _differences(before: Dataset, after: Dataset, memory_limit: str) -> dict[str, tuple[int, str]]:
    """By kind: how many examples, and the least id of them."""
    shared = sorted({entry.name for entry in before.manifest.schema} & {entry.name for entry in after.manifest.schema})
    with tempfile.TemporaryDirectory() as folder, DuckDBWarehouse(memory_limit, _THREADS, folder) as warehouse:
        for name, dataset in (("examples_before", before), ("examples_after", after)):
            warehouse.load(name, list(_hashed(dataset, shared, Path(folder, name))))
        found = warehouse.query("example_differences").to_pylist()
    kinds = {row["kind"]: (row["examples"], row["first_id"]) for row in found}
    return {kind: kinds[kind] for kind in _KINDS if kind in kinds}


def _hashed(dataset: Dataset, features: Sequence[str], prefix: Path) -> Iterator[str]:
    """Temporary files of the examples' keys and a 64-bit hash of their features, one a shard."""
    for number, shard in enumerate(dataset.manifest.shards):
        frame = read_examples(dataset.path(shard), sorted({*_KEY, *features}))
        path = f"{prefix}-{number}.parquet"
        content = frame.select(features).hash_rows(seed=7).reinterpret(signed=True)
        frame.select(*_KEY, content.alias("content")).write_parquet(path, compression="lz4")
        yield path


def _drift(before: Dataset, after: Dataset) -> Iterator[str]:
    first, second = (conversation_statistics(dataset.uri) for dataset in (before, after))
    rows = [
        (change.name, f"{change.before:,.4g}", f"{change.now:,.4g}", f"{change.relative:+.1%}")
        for change in length_changes(first, second)
    ]
    yields = [yield_of(dataset.manifest) for dataset in (before, after)]
    if yields[0] and yields[1]:
        rows.insert(0, ("examples a comment", f"{yields[0]:.4f}", f"{yields[1]:.4f}", f"{yields[1] / yields[0] - 1:+.1%}"))
    yield from _section("Lengths", ("", "first", "second", "change"), rows)
    distance = total_variation(first.subreddits, second.subreddits)
    chance = chance_variation(first.subreddits, second.subreddits)
    yield f"\nSubreddits: total variation distance {distance:.3f} (by chance {chance:.3f}); most moved:"
    yield from aligned([("subreddit", "first", "second", "change"), *_moved(first.subreddits, second.subreddits)])


def _moved(first: Mapping[str, int], second: Mapping[str, int]) -> list[tuple[str, str, str, str]]:
    """Subreddits whose shares of the examples differ most, in percent of all."""
    one, other = (max(sum(counts.values()), 1) for counts in (first, second))
    shares = {name: (100 * first.get(name, 0) / one, 100 * second.get(name, 0) / other) for name in {**first, **second}}
    largest = sorted(shares.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0]))[:_SUBREDDITS]
    return [(f"r/{name}", f"{left:.2f}%", f"{right:.2f}%", f"{right - left:+.2f}") for name, (left, right) in largest]
