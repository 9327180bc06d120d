"""Reports: what a run's datasets hold and what was dropped on the way, as a page, a card and tables."""

# The files of a report dataset.
PAGE_NAME = "report.html"
CARD_NAME = "dataset_card.md"
