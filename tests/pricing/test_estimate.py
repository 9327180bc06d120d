"""The lines of a plan, against figures reckoned by hand from round rates."""

from typing import Any

import pytest

from threadmill.errors import ConfigError
from threadmill.pretraining.config import BertConfig, CausalConfig, Seq2SeqConfig
from threadmill.pricing import estimate as estimating
from threadmill.pricing.accelerators import slice_of, vertex_slice
from threadmill.pricing.engine_costs import machine
from threadmill.pricing.estimate import Estimate, estimate, sum_of
from threadmill.pricing.lines import ASSUMED, DRY_RUN, MEASURED, PUBLISHED, Line
from threadmill.pricing.plan import RunPlan
from threadmill.pricing.prices import load_prices
from threadmill.pricing.rates import Rates
from threadmill.pricing.table import markdown_of, text_of
from threadmill.pricing.volumes import NOTHING, Volume
from threadmill.settings import Settings
from threadmill.training.config import EvaluationConfig, TrainingConfig
from threadmill.training.models.flops import training_flops
from threadmill.training.models.presets import PRESETS, ModelSizes

RECORDS = {"cpu_seconds_per_million_examples": 36.0, "records_per_example": 1.0, "bytes_per_record": 1000.0}
ROUND = Rates(
    "by hand",
    {
        "cpu_seconds_per_million_comments": {"ingest": 21.6, "threads": 36.0, "conversations": 72.0},
        "cpu_seconds_per_million_examples": {
            "signatures_exact": 36.0,
            "signatures_near": 72.0,
            "deduplicate": 9.0,
            "vocabulary": 18.0,
        },
        "cpu_seconds_per_gigabyte": {"corpus": 360.0},
        "bytes_per_comment": {"comments": 100.0, "comments_in_bigquery": 2.0**30 / 1e6, "threads": 100.0},
        "bytes_per_example": {"conversations": 500.0, "signatures_exact": 16.0, "signatures_near": 160.0},
        **{f"records_{name}": RECORDS for name in ("bert", "roberta", "seq2seq", "causal")},
    },
)
HUNDRED_MILLION = Volume(100e6, PUBLISHED, "a hundred million")


@pytest.fixture(autouse=True)
def round_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "load_rates", lambda: ROUND)


def deployed(**changes: Any) -> Settings:
    usual = {"platform": "gcp", "root": "gs://bucket/root", "project": "p1", "region": "us-central1"}
    return Settings(**{**usual, **changes})


def plan(**changes: Any) -> RunPlan:
    usual: dict[str, Any] = {
        "name": "a run",
        "records": BertConfig(dupe_factor=1),
        "training": TrainingConfig(model="bert-base", steps=1000, batch_size=256, precision="bfloat16"),
        "evaluation": EvaluationConfig(),
        "vocabulary_size": 30_000,
        "comments": HUNDRED_MILLION,
        "deduplication": "none",
    }
    return RunPlan(**{**usual, **changes})


def line(found: Estimate, stage: str, item: str) -> Line:
    (one,) = [one for one in found.lines if one.stage == stage and one.item.startswith(item)]
    return one


def test_dataflow_is_priced_by_cpu_seconds_its_idle_time_and_its_start() -> None:
    found = estimate(plan(), deployed(dataflow_machine_type="n2-standard-4"))
    # 100 M comments x 21.6 s a million = 2160 s = 0.6 h, at 60 % busy 1 h; and one worker of 4 vCPUs for 5 minutes.
    ingest = line(found, "ingest", "Dataflow vCPUs")
    assert ingest.quantity == pytest.approx(1 + 4 * 5 / 60)
    assert ingest.cost == pytest.approx((1 + 1 / 3) * 0.056)
    assert ingest.known == MEASURED
    # Threads: 10 GB in 79 shards on 20 workers: 3600 s = 1 h, 1 2/3 h at 60 %; and 20 workers' start.
    assert line(found, "threads", "Dataflow vCPUs").quantity == pytest.approx(1 / 0.6 + 20 * 4 / 12)
    hours = sum(one.quantity for one in found.lines if one.item == "Dataflow vCPUs")
    assert line(found, "all", "Dataflow memory").quantity == pytest.approx(hours * 4)
    assert line(found, "all", "Dataflow disks").quantity == pytest.approx(hours / 4 * 25)


def test_flexible_resources_have_their_own_prices() -> None:
    found = estimate(plan(), deployed(dataflow_flexrs=True))
    assert line(found, "ingest", "Dataflow vCPUs").price.value == 0.0336
    assert line(found, "all", "Dataflow memory").price.value == 0.0021342


def test_workers_are_as_many_as_the_settings_allow() -> None:
    few = estimate(plan(), deployed(dataflow_max_workers=2))
    assert line(few, "threads", "Dataflow vCPUs").quantity == pytest.approx(1 / 0.6 + 2 * 4 / 12)


def test_bigquery_is_priced_by_the_bytes_of_the_comments() -> None:
    found = estimate(plan(lookback=HUNDRED_MILLION), deployed())
    # A hundred million comments are 100 GiB by the rate; the checks read them three times, threads both twice.
    assert line(found, "check_comments", "BigQuery queries").quantity == pytest.approx(300 / 1024)
    assert line(found, "threads", "BigQuery queries").quantity == pytest.approx(400 / 1024)
    assert line(found, "threads", "BigQuery queries").cost == pytest.approx(400 / 1024 * 6.25)
    assert line(found, "all", "BigQuery Storage Read").quantity == pytest.approx(200 / 1024)
    assert line(found, "all", "BigQuery storage").quantity == pytest.approx(100)
    assert not [one for one in found.lines if one.stage == "ingest" and "BigQuery" in one.item]  # a dump is not queried


def test_near_duplicates_are_compared_and_then_looked_for_across_the_splits() -> None:
    examples = 100e6 * 727_013_715 / 3_680_746_776
    exact, near = (estimate(plan(deduplication=kind), deployed()) for kind in ("exact", "near"))
    assert line(exact, "deduplicate", "BigQuery queries").quantity == pytest.approx(examples * 16 * 2 / 2**40)
    assert line(near, "deduplicate", "BigQuery queries").quantity == pytest.approx(examples * 160 * 2 / 2**40)
    assert line(near, "check_conversations", "BigQuery queries").quantity == pytest.approx(examples * 160 * 3 / 2**40)
    signing = line(near, "signatures", "Dataflow vCPUs").quantity
    assert signing > line(exact, "signatures", "Dataflow vCPUs").quantity
    assert line(near, "check_conversations", "Dataflow vCPUs").quantity == signing
    assert not [one for one in exact.lines if one.stage == "check_conversations"]


def test_what_bigquery_said_counts_instead() -> None:
    found = estimate(plan(from_tables=True, query_bytes={"ingest": 2**40}), deployed())
    asked = line(found, "ingest", "BigQuery queries")
    assert (asked.quantity, asked.cost, asked.known) == (1, 6.25, DRY_RUN)


def test_training_is_priced_by_its_operations_and_the_chips() -> None:
    found = estimate(plan(), deployed(tpu_spot=False, tpu_zones="europe-west4-a"))
    flops = training_flops(PRESETS["bert-base"], ModelSizes(30_000, 128, next_sentence=True), 20) * 1000 * 256
    hours = flops / (8 * 197e12 * 0.35) / 3600 + 0.25
    train = line(found, "train", "Cloud TPU v5e, 8 chips")
    assert train.quantity == pytest.approx(8 * hours)
    assert train.cost == pytest.approx(8 * hours * 1.56)  # of the first zone's region
    assert train.known == ASSUMED


def test_spot_training_is_cheaper_an_hour_and_longer() -> None:
    spot, steady = (estimate(plan(), deployed(tpu_spot=spot)) for spot in (True, False))
    cheap, dear = line(spot, "train", "Cloud TPU v5e spot"), line(steady, "train", "Cloud TPU v5e,")
    assert cheap.price.value == dear.price.value / 2
    assert cheap.quantity - 2 == pytest.approx((dear.quantity - 2) * 1.1)
    reserved = estimate(plan(), deployed(tpu_reservation="projects/p/locations/z/reservations/r"))
    assert line(reserved, "train", "Cloud TPU v5e,").price.value == dear.price.value


def test_vertex_ai_has_its_own_prices() -> None:
    found = estimate(plan(), deployed(trainer="vertex"))
    train = line(found, "train", "Vertex AI TPU v5e, 8 chips")
    assert train.price.value == 1.38
    assert not train.price.confirmed
    assert "NOT CONFIRMED" in text_of(found)


def test_storage_holds_all_datasets_for_a_month() -> None:
    found = estimate(plan(), deployed())
    examples = 100e6 * 727_013_715 / 3_680_746_776
    gigabytes = (100e6 * 200 + examples * 500 + examples * 1000) / 1e9
    assert line(found, "all", "Cloud Storage, a month").quantity == pytest.approx(gigabytes)


def test_passes_and_lengths_of_records_count() -> None:
    once, ten = (estimate(plan(records=BertConfig(dupe_factor=passes)), deployed()) for passes in (1, 10))
    longer = estimate(plan(records=CausalConfig(max_seq_length=1024)), deployed())
    stages = [line(found, "all", "Cloud Storage, a month").quantity for found in (once, ten, longer)]
    assert stages[1] - stages[0] == pytest.approx(9 * 100e6 * 727_013_715 / 3_680_746_776 * 1000 / 1e9)
    assert stages[2] == pytest.approx(stages[0])  # an eighth of the records, eight times as long


def test_a_conversational_model_ranks_its_candidates() -> None:
    settings = deployed()
    records = Seq2SeqConfig()
    without, with_ranking = (
        estimate(
            plan(
                records=records,
                training=TrainingConfig(model="blender-90m"),
                evaluation=EvaluationConfig(max_sequences=1, ranking_contexts=contexts),
            ),
            settings,
        )
        for contexts in (0, 200)
    )
    assert line(with_ranking, "evaluate", "Cloud TPU").quantity > line(without, "evaluate", "Cloud TPU").quantity


def test_a_corpus_of_text_has_no_tables() -> None:
    found = estimate(plan(comments=NOTHING, text=Volume(1e9, MEASURED, "a gigabyte")), deployed())
    assert not [one for one in found.lines if "BigQuery" in one.item]
    assert {one.stage for one in found.lines} == {"corpus", "vocabulary", "records", "train", "evaluate", "all"}
    # One worker of 4 vCPUs reads all: 360 s = 0.1 h at 60 %, and 5 minutes to start.
    assert line(found, "corpus", "Dataflow vCPUs").quantity == pytest.approx(0.1 / 0.6 + 4 / 12)


def test_on_a_laptop_there_are_no_lines() -> None:
    found = estimate(plan(), Settings(platform="local", root="/data"))
    assert (found.lines, found.total) == ((), 0)
    assert text_of(found) == "a run: $0.00\nAll of it runs on this machine, and costs nothing."
    assert markdown_of(found).startswith("**a run: $0.00.**")


def test_each_part_can_be_remote_alone() -> None:
    found = estimate(plan(), Settings(platform="local", root="/data", warehouse="bigquery", region="us-central1"))
    assert {one.item.split()[0] for one in found.lines} == {"BigQuery"}
    beam = estimate(plan(), Settings(platform="local", root="gs://b/r", engine="beam"))
    assert any("not priced" in note for note in beam.notes)


def test_several_runs_add_up_line_by_line() -> None:
    one = estimate(plan(), deployed())
    both = sum_of("two", [one, one])
    assert both.total == pytest.approx(2 * one.total)
    assert len(both.lines) == len(one.lines)


def test_the_table_shows_each_line_its_sum_and_the_sources() -> None:
    found = estimate(plan(), deployed())
    text, markdown = text_of(found), markdown_of(found)
    assert f"{found.total:,.2f}" in text
    assert "https://cloud.google.com/dataflow/pricing" in text
    assert text.count("\n") + 1 >= len(found.lines) + 5
    rows = [row for row in markdown.splitlines() if row.startswith("|")]
    assert len(rows) == len(found.lines) + 3
    assert all(row.count("|") == 8 for row in rows)


@pytest.mark.parametrize(
    ("name", "chips"), [("v2-8", 4), ("v3-32", 16), ("v4-8", 4), ("v5litepod-8", 8), ("v5p-8", 4), ("v6e-256", 256)]
)
def test_a_slice_has_the_chips_that_its_name_counts(name: str, chips: int) -> None:
    assert slice_of(name).chips == chips


def test_machines_and_slices_that_nobody_knows_are_refused() -> None:
    assert machine("n2-highmem-8") == (8, 64)
    assert machine("n1-standard-4") == (4, 15)
    assert machine("custom-6-20480") == (6, 20)
    assert vertex_slice("ct6e-standard-4t", "4x4").chips == 16
    for wrong in (lambda: machine("huge"), lambda: slice_of("v9-8"), lambda: slice_of("v2-1"), lambda: vertex_slice("n1", "2x2")):
        with pytest.raises(ConfigError):
            wrong()
    with pytest.raises(ConfigError, match="2x4"):
        vertex_slice("ct5lp-hightpu-8t", "two by four")


def test_every_price_that_a_plan_can_ask_for_is_there() -> None:
    prices = load_prices()
    for generation in ("v2", "v3", "v4", "v5e", "v5p", "v6e"):
        assert prices.of(f"tpu.{generation}").value >= prices.of(f"tpu.{generation}_spot").value
