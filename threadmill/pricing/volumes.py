"""How much a run reads: by its files' sizes, by what the warehouse says, or by what is published of Reddit's months."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from threadmill.datasets import storage
from threadmill.datasets.manifest import find_manifest
from threadmill.errors import ConfigError, IntegrityError
from threadmill.months import add_months, check_month
from threadmill.pricing.lines import ASSUMED, JOB_STATISTICS, MEASURED, PUBLISHED, least_sure

_FILE = Path(__file__).with_name("months.toml")

# Bytes a comment of a compressed dump, by the ending of its name. bz2 is that of RC_2015-01 (months.toml); the others are of
# the same month's raw size, 588 bytes a comment, by how well each compresses such lines.
_DUMP_BYTES = {".bz2": 101.2, ".xz": 84.0, ".gz": 118.0, ".zst": 88.0}
_RAW_BYTES = 588.0  # of RC_2015-01's JSON lines


@dataclass(frozen=True)
class Volume:
    """An amount of input.

    Attributes:
        amount: comments, or bytes of text.
        known: how, as `threadmill.pricing.lines` names it.
        note: where it comes from, for people.
    """

    amount: float
    known: str
    note: str = ""


NOTHING = Volume(0, PUBLISHED)


def add(volumes: Sequence[Volume]) -> Volume:
    """All of them together, known as the least sure of them."""
    if not volumes:
        return NOTHING
    notes = dict.fromkeys(volume.note for volume in volumes if volume.note)
    return Volume(sum(volume.amount for volume in volumes), least_sure(*(volume.known for volume in volumes)), "; ".join(notes))


def comments_of_month(month: str) -> Volume:
    """Comments that Reddit's dump and table of ``month`` have: as published, or by the published months next to it.

    Raises:
        ConfigError: it is no month.
    """
    known = _months()
    if check_month(month) in known:
        return Volume(known[month], PUBLISHED, "comments as published (threadmill/pricing/months.toml)")
    before = max((name for name in known if name < month), default="")
    after = min((name for name in known if name > month), default="")
    if not before or not after:
        nearest = before or after
        return Volume(known[nearest], ASSUMED, f"comments of {month} as many as of {nearest}, the nearest published month")
    place = _distance(before, month) / _distance(before, after)
    amount = known[before] + place * (known[after] - known[before])
    return Volume(amount, ASSUMED, "comments of some months interpolated between published ones (threadmill/pricing/months.toml)")


def months_of_tables(pattern: str) -> list[str]:
    """The months whose tables, named YYYY_MM, a pattern names, of those that Reddit's comments are published of.

    Raises:
        ConfigError: it names none, or is no regular expression.
    """
    try:
        named = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"table_pattern is {pattern!r}, which is no regular expression ({error}); write one such as ^2015_"
        ) from None
    months = [month for month in months_between("2005-12", max(_months())) if named.search(month.replace("-", "_"))]
    if not months:
        raise ConfigError(f"table_pattern {pattern!r} names no month from 2005_12 to now; write one such as ^2015_")
    return months


def comments_of_files(uris: Sequence[str]) -> Volume | None:
    """Comments of dumps by their sizes; None where one of them is not there, or is on the web."""
    volumes = []
    for uri in uris:
        if uri.startswith(("http://", "https://")) or not storage.exists(uri):
            return None
        volumes.append(_comments_of_file(uri))
    return add(volumes)


def _comments_of_file(uri: str) -> Volume:
    ending = next((ending for ending in _DUMP_BYTES if uri.endswith(ending)), "")
    each = _DUMP_BYTES.get(ending, _RAW_BYTES)
    return Volume(storage.size(uri) / each, MEASURED, f"comments by the dump's size, {each:.0f} bytes each")


def comments_of_datasets(uris: Sequence[str]) -> Volume:
    """Comments of datasets that are there, by their manifests."""
    records = 0
    for uri in uris:
        try:
            manifest = find_manifest(uri)
        except IntegrityError:
            continue  # the run itself will say so
        records += manifest.records if manifest else 0
    return Volume(
        records, JOB_STATISTICS if records else PUBLISHED, "comments of earlier months by their manifests" if records else ""
    )


def text_bytes(uris: Sequence[str]) -> Volume | None:
    """Bytes of text of files and folders, uncompressed; None where one of them is not there, or is on the web."""
    volumes = []
    for uri in uris:
        if uri.startswith(("http://", "https://")) or not storage.exists(uri):
            return None
        volumes.extend(_text_of(uri))
    return add(volumes)


def _text_of(uri: str) -> list[Volume]:
    if storage.is_directory(uri):
        return [volume for name in storage.list_names(uri) for volume in _text_of(storage.join(uri, name))]
    ending = next((ending for ending in _DUMP_BYTES if uri.endswith(ending)), "")
    if not ending:
        return [Volume(storage.size(uri), MEASURED, "text by the files' sizes")]
    ratio = _RAW_BYTES / _DUMP_BYTES[ending]
    return [Volume(storage.size(uri) * ratio, ASSUMED, f"text by the files' sizes, {ratio:.1f} times larger than {ending}")]


def months_between(first: str, last: str) -> list[str]:
    """All months from ``first`` to ``last``.

    Raises:
        ConfigError: one is no month, or the last comes before the first.
    """
    if check_month(last) < check_month(first):
        raise ConfigError(f"the months {first}..{last} go backwards; write the earlier one first")
    months = [first]
    while months[-1] < last:
        months.append(add_months(months[-1], 1))
    return months


@lru_cache
def _months() -> Mapping[str, int]:
    return {str(name): int(count) for name, count in tomllib.loads(_FILE.read_text())["months"].items()}


def _distance(first: str, last: str) -> int:
    return (int(last[:4]) - int(first[:4])) * 12 + int(last[5:]) - int(first[5:])
