"""The report on a text corpus as one HTML page that needs nothing else: no network, no script."""

from typing import Any

from markupsafe import Markup

from threadmill.conversations.statistics import Distribution
from threadmill.documents.survey import ChosenDocument, SplitSurvey
from threadmill.reports import plots
from threadmill.reports.dialogue import printable
from threadmill.reports.layout import render
from threadmill.reports.pretraining import records_table, tokens_a_word, unknown_rate, vocabulary_entries, vocabulary_rows
from threadmill.reports.run_page import run_plots, run_values, score_tiles
from threadmill.reports.text_contents import TextContents
from threadmill.reports.text_layout import distributions, split_rows, text_summary

_PERCENTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MOST_SHOWN = 0.99  # of the lines and documents; the longest would leave the others no room in a plot
_SOURCES_SHOWN = 50


def render_text_page(contents: TextContents) -> str:
    """The page. All text of others is escaped; equal contents give equal bytes."""
    sources = contents.run.sources
    return render(
        "text_report.html.j2",
        {
            **run_values(contents.run, contents.corpus.name, text_summary(contents)),
            "tiles": _tiles(contents),
            "plots": _plots(contents),
            "captions": _captions(contents.total),
            "split_rows": split_rows(contents),
            "percentiles": _PERCENTILES,
            "distributions": distributions(contents.total),
            "also_counted": sorted(contents.corpus.counters.extra.items()),
            "sources": sources[:_SOURCES_SHOWN],
            "more_sources": len(sources[_SOURCES_SHOWN:]),
            "vocabulary": vocabulary_rows(contents.vocabulary) if contents.vocabulary else [],
            "records": records_table(contents.records) if contents.records else None,
            "documents": [_document(document) for document in contents.survey.documents],
        },
    )


def _tiles(contents: TextContents) -> list[tuple[str, str]]:
    total = contents.total
    return [
        ("documents", f"{total.documents:,}"),
        ("lines", f"{total.lines:,}"),
        ("words", f"{total.words:,}"),
        ("median line, words", f"{total.line_words.percentile(0.5):,}"),
        *_vocabulary_tiles(contents),
        *([("records", f"{contents.records.records:,}")] if contents.records else []),
        *score_tiles(contents.run),
    ]


def _vocabulary_tiles(contents: TextContents) -> list[tuple[str, str]]:
    if contents.vocabulary is None:
        return []
    held_out = contents.vocabulary.statistics.get("held_out", {})
    tiles = [
        ("vocabulary entries", f"{vocabulary_entries(contents.vocabulary):,}"),
        ("[UNK] of held-out words", unknown_rate(held_out)),
        ("tokens a word", tokens_a_word(held_out)),
    ]
    return [(name, value) for name, value in tiles if value]


def _plots(contents: TextContents) -> dict[str, Markup]:
    total = contents.total
    splits = {
        size.name: (survey.documents, size.shards)
        for size, survey in zip(contents.splits, contents.survey.splits.values(), strict=True)
    }
    drawn = {
        "lines": plots.distribution_plot("lines", total.line_words, "words a line", "lines", _most(total.line_words)),
        "documents": plots.distribution_plot(
            "documents", total.document_lines, "lines a document", "documents", _most(total.document_lines)
        ),
        "splits": plots.split_plot(splits, "documents"),
    }
    return {**run_plots(contents.run), **{name: Markup(svg) for name, svg in drawn.items()}}  # matplotlib escapes text itself


def _most(lengths: Distribution) -> int:
    return lengths.percentile(_MOST_SHOWN)


def _captions(total: SplitSurvey) -> dict[str, str]:
    return {
        "lines": f"Lengths of lines{_beyond(total.line_words, 'words')}",
        "documents": f"Lengths of documents{_beyond(total.document_lines, 'lines')}",
    }


def _beyond(lengths: Distribution, unit: str) -> str:
    """Says what the plot leaves out."""
    if _most(lengths) == lengths.maximum:
        return ""
    return f"; the longest hundredth, up to {lengths.maximum:,} {unit}, is left out"


def _document(document: ChosenDocument) -> dict[str, Any]:
    more = document.lines - len(document.first_lines)
    return {
        "heading": f"{document.split}, document {document.number:,}: {document.lines:,} line{'s' * (document.lines != 1)}",
        "lines": [printable(line) for line in document.first_lines],
        "more": more,
    }
