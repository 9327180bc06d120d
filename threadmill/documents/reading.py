"""Reads a part of any corpus as blocks of documents."""

from collections.abc import Iterator

from threadmill.datasets.counters import Counters
from threadmill.documents.blocks import DocumentBlock
from threadmill.documents.sources import CONVERSATIONS_KIND, Part
from threadmill.documents.text import read_text


def read_part(part: Part, *, keep_prefixes: bool = False, counters: Counters | None = None) -> Iterator[DocumentBlock]:
    """The documents of ``part``, in order: about 8 MiB of text a block, and a shard of conversations as one.

    Args:
        keep_prefixes: keep conversation examples whose turns begin a longer one of the same thread.
        counters: counts documents (of conversations: examples) as read, kept and dropped by reason.

    Raises:
        InputError: text that cannot be read, told with its file and line.
        IntegrityError: a damaged shard.
    """
    if part.kind == CONVERSATIONS_KIND:
        from threadmill.documents.conversations import read_conversations  # with polars, which text does not need

        return read_conversations(part.uri, part.columns, keep_prefixes=keep_prefixes, counters=counters)
    return read_text(part.uri, part.start, part.stop, counters)
