"""What BigQuery costs a run: bytes that its queries process, bytes that workers read, and the table of comments."""

from collections.abc import Iterator

from threadmill.pricing.amounts import Amounts
from threadmill.pricing.lines import Line, least_sure
from threadmill.pricing.plan import RunPlan
from threadmill.pricing.prices import Prices
from threadmill.pricing.rates import Rates
from threadmill.settings import Settings

_TIB, _GIB = 2.0**40, 2.0**30

# Times that a stage's statements read what they are about, from sql/: the tables stage reads what it has copied 2.4 times more
# (corpora/reddit/tables_estimate.py); the checks count duplicates, days and measures; threads sorts out duplicates and then
# joins; deduplication finds the keys that are shared, then the examples of these; the check for near-duplicates across splits
# finds those of two splits, then counts their examples.
_PASSES = {"ingest": 3.4, "check_comments": 3, "threads": 2, "deduplicate": 2, "check_conversations": 3}
ASSUMPTION = "BigQuery: the statements read all columns, " + ", ".join(
    f"{stage} {count:g} time{'s' if count > 1 else ''}" for stage, count in _PASSES.items()
)


def warehouse_lines(run: RunPlan, found: Amounts, rates: Rates, settings: Settings, prices: Prices) -> Iterator[Line]:
    """The lines of BigQuery; none for a corpus of text, which has no tables."""
    if run.text.amount:
        return
    each = rates.of("bytes_per_comment", "comments_in_bigquery")
    month, both = run.comments.amount * each, (run.comments.amount + run.lookback.amount) * each
    known = least_sure(run.comments.known, "measured rate")
    signatures = found.stages["signatures"].bytes if "signatures" in found.stages else 0.0
    scanned = {
        "ingest": month if run.from_tables else 0.0,
        "check_comments": month,
        "threads": both,
        "deduplicate": signatures,
        "check_conversations": signatures if run.deduplication == "near" else 0.0,
    }
    for stage, size in scanned.items():
        if size:
            quantity, sure = run.asked(stage, size * _PASSES[stage], known)
            yield Line(
                stage, "BigQuery queries", quantity / _TIB, prices.of("bigquery.query", settings.location), sure, ASSUMPTION
            )
    read = (month if run.from_tables else 0.0) + both + signatures
    yield Line("all", "BigQuery Storage Read", read / _TIB, prices.of("bigquery.read", settings.location), known)
    yield Line("all", "BigQuery storage, a month", month / _GIB, prices.of("bigquery.storage", settings.location), known)
