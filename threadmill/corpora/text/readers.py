"""The registry of formats: how each is read, and what its lines and documents are."""

from collections.abc import Callable, Iterator

from threadmill.corpora.text.config import AUTO, CorpusConfig
from threadmill.corpora.text.lines import read_lines
from threadmill.corpora.text.sources import Source
from threadmill.corpora.text.texts import Texts

# From a source, its blocks; each is read to documents when called, on whatever thread that is.
Reader = Callable[[Source, CorpusConfig], Iterator[Callable[[], Texts]]]

READERS: dict[str, Reader] = {"lines": read_lines}


def splits_sentences(source: Source, config: CorpusConfig) -> bool:
    """Whether the source's lines are cut into sentences."""
    return config.sentences == "split" or (config.sentences == AUTO and source.format != "lines")


def document_lines(source: Source, config: CorpusConfig) -> int:
    """Lines after which a document of the source ends without a blank line; 0 for never. Prose sees to it as it is read."""
    return config.document_lines if source.format == "lines" else 0
