"""The registry of formats: how each is read, and what its lines and documents are."""

from collections.abc import Callable, Iterator

from threadmill.corpora.source import Source
from threadmill.corpora.text.amazon import read_amazon
from threadmill.corpora.text.arrow_tables import read_arrow, read_parquet
from threadmill.corpora.text.config import AUTO, CorpusConfig
from threadmill.corpora.text.json_lines import read_json_lines
from threadmill.corpora.text.lines import read_lines
from threadmill.corpora.text.prose import DOCUMENT_LINES, read_prose
from threadmill.corpora.text.texts import Texts

# From a source, its blocks; each is read to documents when called, on whatever thread that is.
Reader = Callable[[Source, CorpusConfig], Iterator[Callable[[], Texts]]]

READERS: dict[str, Reader] = {
    "amazon": read_amazon,
    "huggingface": read_arrow,
    "jsonl": read_json_lines,
    "lines": read_lines,
    "parquet": read_parquet,
    "prose": read_prose,
}


def splits_sentences(source: Source, config: CorpusConfig) -> bool:
    """Whether the source's lines are cut into sentences."""
    return config.sentences == "split" or (config.sentences == AUTO and source.format != "lines")


def most_lines(source: Source, config: CorpusConfig) -> int:
    """Lines after which a document of the source ends without a blank line; 0 for never."""
    return config.document_lines if source.format == "lines" else 0


def passage_lines(source: Source, config: CorpusConfig) -> int:
    """Lines that a document has at least, for which paragraphs are brought together; 0 where none are."""
    return (config.document_lines or DOCUMENT_LINES) if source.format == "prose" else 0
