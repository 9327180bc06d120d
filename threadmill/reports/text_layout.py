"""What the page and the card of a text corpus write alike: its summary, its splits, its lengths."""

from typing import Any

from threadmill.conversations.statistics import Distribution
from threadmill.documents.survey import SplitSurvey
from threadmill.reports.text_contents import TextContents


def text_summary(contents: TextContents) -> str:
    """The report in a sentence."""
    total, sources = contents.total, len(contents.run.sources)
    of = f" from {sources:,} source{'s' * (sources != 1)}" if sources else ""
    documents = f"{total.documents:,} document{'s' * (total.documents != 1)}"
    return f"{documents} of {total.lines:,} lines and {total.words:,} words{of}, one sentence a line."


def distributions(total: SplitSurvey) -> list[tuple[str, Distribution]]:
    """The lengths that are told in a table, with their names."""
    return [
        ("characters a line", total.line_chars),
        ("words a line", total.line_words),
        ("lines a document", total.document_lines),
    ]


def split_rows(contents: TextContents) -> list[dict[str, Any]]:
    """The splits: name, documents, single (documents of one line), lines, words, characters, shards, bytes, pattern."""
    return [
        {
            "name": size.name,
            "documents": survey.documents,
            "single": survey.single_line_documents,
            "lines": survey.lines,
            "words": survey.words,
            "characters": survey.characters,
            "shards": size.shards,
            "bytes": size.bytes,
            "pattern": size.pattern,
        }
        for size, survey in zip(contents.splits, contents.survey.splits.values(), strict=True)
    ]
