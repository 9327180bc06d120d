"""Tokenises the parts of a corpus into one store, block by block on several threads, in the parts' order."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from threadmill.datasets.counters import Counters
from threadmill.documents.blocks import DocumentBlock
from threadmill.documents.reading import read_part
from threadmill.documents.sources import Part
from threadmill.engine.ordered import map_in_order
from threadmill.pretraining.config import RecordsConfig
from threadmill.pretraining.portions import Portion
from threadmill.pretraining.store import StoreWriter, TokenStore
from threadmill.vocab.vocabulary import TokenLines, Vocabulary

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 15.0


def tokenise(
    parts: Sequence[Part],
    vocabulary: Vocabulary,
    folder: Path,
    counters: Counters,
    *,
    keep_prefixes: bool = False,
    workers: int = 1,
) -> TokenStore:
    """The tokens of all documents of ``parts``; the store's files lie in ``folder``, which is made.

    Memory holds ``workers`` + 2 blocks of text and their tokens, whatever the size of a part or of a document.

    Args:
        counters: documents are counted as read, kept and dropped; those without a single token as ``no_tokens``, and with
            ``keep_prefixes`` conversation examples whose response has none.

    Raises:
        InputError, IntegrityError: see `read_part`.
    """

    def blocks() -> Iterator[tuple[Part, DocumentBlock]]:
        told = time.monotonic()
        for number, part in enumerate(parts):
            if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
                told = time.monotonic()
                log.info("records: %d of %d parts tokenised", number, len(parts))
            for block in read_part(part, keep_prefixes=keep_prefixes, counters=counters):
                yield part, block

    def encoded(item: tuple[Part, DocumentBlock]) -> tuple[Part, DocumentBlock, TokenLines]:
        return *item, vocabulary.encode(item[1].lines)

    with closing(StoreWriter(folder, len(vocabulary), need_response=keep_prefixes)) as writer:
        empty = sum(writer.append(*block) for block in map_in_order(encoded, blocks(), workers)) + writer.end_part()
        counters.kept -= empty
        counters.drop("no_tokens", empty)
        return writer.open()


def tokenise_portion(
    portion: Portion, vocabulary: Vocabulary, config: RecordsConfig, folder: Path, counters: Counters
) -> TokenStore:
    """`tokenise` of a portion, which must be as it was when its corpora were opened; its store lies below ``folder``."""
    with portion.corpora().unchanged():
        return tokenise(portion.parts, vocabulary, folder / "tokens", counters, keep_prefixes=config.keep_prefixes)
