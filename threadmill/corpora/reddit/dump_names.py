"""What the name of a dump tells: of which month it is, and which other dump it stands for."""

import re
from collections.abc import Sequence
from itertools import combinations

from threadmill.corpora.addresses import public_uri
from threadmill.datasets import storage
from threadmill.errors import InputError

_KIND_AND_MONTH = re.compile(r"R[CS]_([0-9]{4}-(?:0[1-9]|1[0-2]))(?![0-9])")


def source_name(uri: str) -> str:
    """The file's name: the last component of a path or URI, less what an http address has after it."""
    return storage.name_of(public_uri(uri))


def source_stem(uri: str) -> str:
    """The file's name less its endings: "RC_2015-05" of RC_2015-05.zst."""
    return source_name(uri).split(".")[0] or "source"


def month_of(uri: str) -> str:
    """YYYY-MM of a file named RC_YYYY-MM or RS_YYYY-MM, whatever follows; "" where the name tells none."""
    match = _KIND_AND_MONTH.match(source_name(uri))
    return match[1] if match else ""


def refuse_two_of_a_month(sources: Sequence[str]) -> None:
    """Raises InputError for two dumps of one kind and month, which would give each comment twice.

    Files of different stems (RC_2015-05_part0, RC_2015-05_part1) are parts of a month, and fine.
    """
    for uri in sources:
        if sources.count(uri) > 1:
            raise InputError(f"{public_uri(uri)} and {public_uri(uri)} are the same, byte for byte; name one of them")
    named = [(source_stem(uri).casefold(), uri) for uri in sources if month_of(uri)]
    for (stem, first), (other, second) in combinations(named, 2):
        if stem == other:
            raise InputError(
                f"{public_uri(first)} and {public_uri(second)} are two dumps of the same month; name one of them, or give "
                "--merge-dumps where one is a rescan of the other (parts of a month have names of their own, such as "
                "RC_2015-05_part0.zst)"
            )
