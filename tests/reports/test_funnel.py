from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Manifest
from threadmill.reports.funnel import funnel, funnel_table


def manifest(stage: str, counters: Counters) -> Manifest:
    return Manifest(f"my {stage}", stage, 1, {}, (), (), (), counters)


RUN = [
    manifest("ingest", Counters(1_080, 1_075, 1_075, {"no id": 1, "malformed JSON": 4})),
    manifest("conversations", Counters(1_075, 75, 75, {"top_level": 1_000})),
    manifest("records", Counters(75, 75, 300)),
]


def test_steps_tell_what_each_stage_counted_in_its_own_units() -> None:
    ingest, conversations, records = funnel(RUN)
    assert (ingest.unit, ingest.written_unit) == ("lines", "comments")
    assert ingest.dropped == (("malformed JSON", 4), ("no id", 1))
    assert (conversations.unit, conversations.written_unit) == ("comments", "examples")
    assert conversations.share(conversations.kept) == 75 / 1_075
    assert (records.read, records.kept, records.written) == (75, 75, 300)


def test_records_alone_or_of_a_text_corpus_count_documents() -> None:
    for run in (RUN[2:], [manifest("corpus", Counters(75, 75, 900)), RUN[2]]):
        assert funnel(run)[-1].unit == "documents"
    assert funnel(RUN)[-1].unit == "examples"


def test_a_stage_of_another_kind_counts_records() -> None:
    (step,) = funnel([manifest("translate", Counters(3, 3, 3))])
    assert (step.unit, step.written_unit) == ("records", "records")


def test_the_table_has_a_line_for_each_reason_most_frequent_first() -> None:
    assert funnel_table(funnel(RUN)).splitlines() == [
        "stage           count unit       share",
        "ingest          1,080 lines             read",
        "                   -4             0.4%  malformed JSON",
        "                   -1             0.1%  no id",
        "                1,075 comments   99.5%  kept and written",
        "conversations   1,075 comments          read",
        "               -1,000            93.0%  top level",
        "                   75 examples    7.0%  kept and written",
        "records            75 examples          read",
        "                   75           100.0%  kept",
        "                  300 records           written",
    ]


def test_a_stage_that_read_nothing_has_shares_of_zero() -> None:
    (step,) = funnel([manifest("ingest", Counters())])
    assert step.share(0) == 0.0
