"""The vocabulary stage: a conversations dataset to vocab.txt and tokenizer.json."""

import logging
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.conversations.reading import read_examples
from threadmill.conversations.statistics import CONVERSATIONS
from threadmill.datasets.arrow_text import concatenated, large_strings
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.vocab.config import KINDS, Training, VocabularyConfig
from threadmill.vocab.sampling import BottomSample, line_keys
from threadmill.vocab.vocabulary import STAGE, TOKENIZER_NAME, VOCAB_NAME, Vocabulary
from threadmill.vocab.wordpiece import tokenizer_json

log = logging.getLogger(__name__)

_HELD_BACK = 100  # without a validation split, one line of this many of the sample is held back


class VocabularyStage(MapStage):
    """Trains a vocabulary on a random sample of the train split.

    A line is a turn: the texts ``context`` and ``response`` of the examples. A comment is the response of one example
    and the context of each of its replies, so a text counts once in its thread. The sample is drawn by a hash of
    thread and text, and so depends neither on the number of shards nor on their order.

    The funnel counts the train split's lines. Statistics: ``sampled_lines``, ``distinct_words`` (after BERT's text
    rules), ``entries``, and ``held_out``, measured on the validation split, or on a part of the sample where there is none.
    """

    name = STAGE
    version = 1
    unit = "lines"

    def __init__(self, conversations_uri: str, config: VocabularyConfig | None = None) -> None:
        self.conversations_uri = conversations_uri
        self.config = config or VocabularyConfig()

    def plan(self) -> Plan:
        """One task: a vocabulary is made of all shards at once."""
        dataset = Dataset.open(self.conversations_uri, *CONVERSATIONS)
        if not dataset.shards("train"):
            splits = ", ".join(dataset.splits()) or "none"
            raise InputError(f"{self.conversations_uri} has no train split (its splits: {splits}); make one that has")
        return Plan((dataset.as_input(),), (Task(STAGE),), (Field("token", "string"),), dataset.manifest.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Draws the sample, trains, measures and writes."""
        dataset = Dataset.open(self.conversations_uri)
        counters = Counters()
        sample = self._draw(dataset, "train", self.config.sample_lines, counters)
        if not len(sample):
            raise InputError(f"{self.conversations_uri}: the train split has no line of text; check the filters that made it")
        held_out, source = self._draw(dataset, "validation", self.config.held_out_lines, Counters()), "validation split"
        if not len(held_out):
            sample, held_out, source = *_held_back(sample, self.config.held_out_lines), "sample"
            counters.drop("held_out", len(held_out))
        counters.kept = len(sample)
        train = pkgutil.resolve_name(KINDS[self.config.kind])
        training: Training = train(sample, self.config)
        vocabulary = Vocabulary(tuple(training.tokens), self.config.lowercase)
        counters.written = len(vocabulary)
        if counters.written < self.config.vocab_size:
            log.warning(
                "vocabulary: %d entries of the %d asked for; the sample of %d lines has no more pairs that are seen %d times",
                *(counters.written, self.config.vocab_size, len(sample), self.config.min_frequency),
            )
        with output.shard(VOCAB_NAME) as stream:
            stream.write("".join(f"{token}\n" for token in vocabulary.tokens).encode())
            stream.records = len(vocabulary)
        with output.shard(TOKENIZER_NAME) as stream:  # the same entries in another form: they count once
            stream.write(tokenizer_json(vocabulary.tokens, self.config.lowercase).encode())
        statistics = {
            "sampled_lines": len(sample),
            "distinct_words": training.distinct_words,
            "entries": len(vocabulary),
            "held_out": {"source": source, **asdict(measure(vocabulary, held_out))},
        }
        return output.result(task, counters, statistics)

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Those of the only task."""
        return dict(parts[0])

    def _draw(self, dataset: Dataset, split: str, size: int, counters: Counters) -> pa.Array:
        """A sample of a split's lines (large_string); counts what was read and left out."""
        sample = BottomSample(size)
        for shard in dataset.shards(split):
            examples = read_examples(dataset.path(shard), ["thread_id", "context", "response"])
            lines = concatenated([large_strings(examples["context"]), large_strings(examples["response"])])
            threads = concatenated([large_strings(examples["thread_id"])] * 2)
            written = pc.not_equal(pc.utf8_trim_whitespace(lines), "")
            counters.read += len(lines)
            counters.drop("empty", len(lines) - (pc.sum(written).as_py() or 0))
            lines, threads = lines.filter(written), threads.filter(written)
            sample.add(line_keys(threads, lines, self.config.seed), lines)
        chosen = sample.lines()
        counters.drop("repeated_in_thread", sample.repeated)
        counters.drop("not_sampled", counters.read - sum(counters.dropped.values()) - len(chosen))
        return chosen


@dataclass(frozen=True)
class Coverage:
    """How a vocabulary fits lines of text; the rates are None where there is no word."""

    lines: int
    words: int
    unknown_words: int
    unknown_rate: float | None
    tokens_per_word: float | None


def measure(vocabulary: Vocabulary, lines: pa.Array) -> Coverage:
    """Tokenises ``lines`` and counts words, those that became [UNK], and tokens a word."""
    ids = vocabulary.encode(lines).ids
    words = int(np.count_nonzero(~vocabulary.continuations[ids]))
    unknown = int(np.count_nonzero(ids == vocabulary.ids["[UNK]"]))
    rates = (round(unknown / words, 6), round(len(ids) / words, 4)) if words else (None, None)
    return Coverage(len(lines), words, unknown, *rates)


def _held_back(sample: pa.Array, most: int) -> tuple[pa.Array, pa.Array]:
    """The sample less a part, and the part; a sample of one line is kept whole."""
    count = min(most, -(-len(sample) // _HELD_BACK), len(sample) - 1)
    return sample[count:], sample[:count]
