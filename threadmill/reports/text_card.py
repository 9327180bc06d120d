"""The dataset card of a text corpus: Markdown with a YAML header in the layout of the Hugging Face hub."""

import threadmill
from threadmill.reports.card import size_category
from threadmill.reports.layout import render
from threadmill.reports.pretraining import records_table, vocabulary_rows
from threadmill.reports.text_contents import TextContents
from threadmill.reports.text_layout import distributions, split_rows, text_summary


def render_text_card(contents: TextContents) -> str:
    """The card; it holds no text of the corpus."""
    splits = split_rows(contents)
    return render(
        "text_card.md.j2",
        {
            "name": contents.corpus.name,
            "version": threadmill.__version__,
            "summary": text_summary(contents),
            "partial": contents.run.partial,
            "size_category": size_category(contents.total.documents),
            "splits": splits,
            "loaded": [split for split in splits if split["documents"]],
            "distributions": distributions(contents.total),
            "total": contents.total,
            "settings": contents.corpus.config,
            "sources": contents.run.sources,
            "datasets": contents.run.manifests,
            "digest": contents.corpus.digest,
            "steps": contents.run.steps,
            "vocabulary": vocabulary_rows(contents.vocabulary) if contents.vocabulary else [],
            "records": records_table(contents.records) if contents.records else None,
        },
    )
