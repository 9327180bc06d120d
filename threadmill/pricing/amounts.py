"""What each stage of a run reads and leaves: comments, examples, records, bytes, CPU seconds, by published and measured rates."""

from dataclasses import dataclass
from math import ceil

from threadmill.pricing.lines import ASSUMED, MEASURED, least_sure
from threadmill.pricing.plan import RunPlan
from threadmill.pricing.rates import Rates

_MILLION = 1e6
_SHARD_BYTES = 128e6  # what the stages aim at
_MEASURED_LENGTH = 128  # tokens of the records whose rates were measured
_TEXT_BYTES_A_TOKEN = 4.5  # of English, with the vocabularies of 30,000 words that are usual

# Examples a comment, of the reference pipeline over 2015 to 2018: 727,013,715 of 3,680,746,776 comments.
# https://github.com/PolyAI-LDN/conversational-datasets/blob/master/reddit/README.md
EXAMPLES_A_COMMENT = 727_013_715 / 3_680_746_776


@dataclass(frozen=True)
class StageAmount:
    """What one stage takes and leaves.

    Attributes:
        cpu_seconds: of one core.
        tasks: that can run side by side.
        bytes: of its dataset.
        objects: files that it writes, and as many receipts.
        known: the least sure of what these were made from.
    """

    cpu_seconds: float
    tasks: int
    bytes: float
    objects: int
    known: str


@dataclass(frozen=True)
class Amounts:
    """Those of a run.

    Attributes:
        stages: by their names, in the run's order.
        examples: conversation examples, or as many as the text would make.
        records: of one pass over the train split times its passes.
    """

    stages: dict[str, StageAmount]
    examples: float
    records: float


def amounts(run: RunPlan, rates: Rates) -> Amounts:
    """What the stages of ``run`` take and leave."""
    stages = _text_stages(run, rates) if run.text.amount else _reddit_stages(run, rates)
    examples = _examples(run, rates)
    stages["vocabulary"] = StageAmount(_cpu(rates, "examples", "vocabulary", examples), 1, 0, 1, ASSUMED)
    stages["records"] = _records(run, rates, examples)
    return Amounts(stages, examples, examples * _records_per_example(run, rates))


def _reddit_stages(run: RunPlan, rates: Rates) -> dict[str, StageAmount]:
    comments, known = run.comments.amount, least_sure(run.comments.known, MEASURED)
    with_lookback, both = comments + run.lookback.amount, least_sure(run.comments.known, run.lookback.known, MEASURED)
    examples = comments * EXAMPLES_A_COMMENT

    def stage(name: str, read: float, size: float, sure: str, tasks: int = 0) -> StageAmount:
        objects = _shards(size)
        return StageAmount(_cpu(rates, "comments", name, read), tasks or objects, size, objects, sure)

    threads = stage("threads", with_lookback, with_lookback * rates.of("bytes_per_comment", "threads"), both)
    conversation_bytes = examples * rates.of("bytes_per_example", "conversations")
    stages = {
        "ingest": stage("ingest", comments, comments * rates.of("bytes_per_comment", "comments"), known, tasks=run.sources),
        "threads": threads,
        "conversations": stage("conversations", with_lookback, conversation_bytes, both, tasks=threads.tasks),
    }
    if run.deduplication != "none":
        kind, tasks = f"signatures_{run.deduplication}", _shards(conversation_bytes)
        signatures, seconds = examples * rates.of("bytes_per_example", kind), _cpu(rates, "examples", kind, examples)
        stages["signatures"] = StageAmount(seconds, tasks, signatures, tasks, both)
        seconds_left = _cpu(rates, "examples", "deduplicate", examples)
        stages["deduplicate"] = StageAmount(seconds_left, tasks, conversation_bytes, tasks, both)
        if run.deduplication == "near":  # signatures once more, of what is left: do the splits share any?
            stages["check_conversations"] = StageAmount(seconds, tasks, 0, tasks, both)
    return stages


def _text_stages(run: RunPlan, rates: Rates) -> dict[str, StageAmount]:
    size, known = run.text.amount, least_sure(run.text.known, MEASURED)
    return {"corpus": StageAmount(size / 1e9 * rates.of("cpu_seconds_per_gigabyte", "corpus"), 1, size, _shards(size), known)}


def _examples(run: RunPlan, rates: Rates) -> float:
    """Conversation examples; of text, as many as would have its tokens."""
    if not run.text.amount:
        return run.comments.amount * EXAMPLES_A_COMMENT
    tokens_of_an_example = rates.of("records_causal", "records_per_example") * _MEASURED_LENGTH
    return run.text.amount / _TEXT_BYTES_A_TOKEN / tokens_of_an_example


def _records(run: RunPlan, rates: Rates, examples: float) -> StageAmount:
    table, passes = f"records_{run.records.objective}", run.records.dupe_factor
    seconds = examples / _MILLION * rates.of(table, "cpu_seconds_per_million_examples") * passes
    length = _length(run) / _MEASURED_LENGTH
    size = examples * _records_per_example(run, rates) * rates.of(table, "bytes_per_record") * length
    known = ASSUMED if run.text.amount else least_sure(run.comments.known, MEASURED)
    shards = _shards(size)
    return StageAmount(seconds, shards, size, shards, known)


def _records_per_example(run: RunPlan, rates: Rates) -> float:
    """Records that all passes make; BERT's pairs end with their document, those of the others are filled."""
    each = rates.of(f"records_{run.records.objective}", "records_per_example") * run.records.dupe_factor
    return each if run.records.objective == "bert" and not run.text.amount else each * _MEASURED_LENGTH / _length(run)


def _length(run: RunPlan) -> int:
    return int(getattr(run.records, "max_seq_length", _MEASURED_LENGTH))


def _cpu(rates: Rates, unit: str, stage: str, read: float) -> float:
    return read / _MILLION * rates.of(f"cpu_seconds_per_million_{unit}", stage)


def _shards(size: float) -> int:
    return max(1, ceil(size / _SHARD_BYTES))
