"""The vocabulary stage: corpora of any kind to a vocabulary's files."""

import logging
import pkgutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field
from threadmill.documents.sources import Corpora, open_corpora
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.vocab.config import KINDS, Training, VocabularyConfig
from threadmill.vocab.corpus_sample import draw_sample
from threadmill.vocab.coverage import measure
from threadmill.vocab.sampling import Sample
from threadmill.vocab.styles import style_of
from threadmill.vocab.vocabulary import STAGE, Vocabulary

log = logging.getLogger(__name__)

_HELD_BACK = 100  # without a validation split, one line of this many of the sample is held back


class VocabularyStage(MapStage):
    """Trains a vocabulary on a random sample of the train split of one or more corpora.

    A line is a sentence of a text, or a turn of a conversation. A comment is the response of one example and the context of
    each of its replies, so a text counts once in its thread; lines of text files count each. The sample is drawn by
    hashes of what is there, and so depends neither on the number of shards nor on their order.

    The funnel counts the train split's lines. Statistics: ``sampled_lines``, ``distinct_words`` (of the trainer),
    ``entries``, and ``held_out``, measured on the validation split, or on a part of the sample where there is none.

    Args:
        corpora: URIs of text files, folders of them, and datasets of text or conversations; or one of these.
    """

    name = STAGE
    version = 2
    unit = "lines"

    def __init__(self, corpora: Sequence[str] | str, config: VocabularyConfig | None = None) -> None:
        self.corpora = (corpora,) if isinstance(corpora, str) else tuple(corpora)
        self.config = config or VocabularyConfig()

    def plan(self) -> Plan:
        """One task: a vocabulary is made of all shards at once."""
        corpora = open_corpora(self.corpora)
        for number, uri in enumerate(self.corpora):
            splits = dict.fromkeys(part.split for part in corpora.parts if part.name.startswith(f"{number}/"))
            if not splits:
                raise InputError(f"{uri} holds no text; leave it out, or name a corpus with text")
            if "train" not in splits:
                raise InputError(f"{uri} has no train split (its splits: {', '.join(splits)}); name a corpus that has one")
        return Plan(corpora.inputs, (Task(STAGE, corpora),), (Field("token", "string"),), corpora.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Draws the sample, trains, measures and writes."""
        counters = Counters()
        sample, held_out, source = self._samples(task.payload, counters)
        training = self._train(sample)
        counters.kept, counters.written = len(sample), len(training.tokens)
        vocabulary = self._vocabulary(training)
        for number, (name, content) in enumerate(training.files.items()):
            with output.shard(name) as stream:
                stream.write(content)
                stream.records = 0 if number else len(vocabulary)  # the others hold the same entries, which count once
        ids = vocabulary.encode(held_out.lines).ids
        statistics = {
            "sampled_lines": len(sample),
            "distinct_words": training.distinct_words,
            "entries": len(vocabulary),
            "held_out": {"source": source, **asdict(measure(vocabulary, ids, len(held_out)))},
        }
        return output.result(task, counters, statistics)

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Those of the only task."""
        return dict(parts[0])

    def _samples(self, corpora: Corpora, counters: Counters) -> tuple[Sample, Sample, str]:
        """The lines to train on, those to measure on, and where the latter are from."""
        with corpora.unchanged():
            sample = draw_sample(corpora, "train", self.config.sample_lines, self.config.seed, counters)
            held_out = draw_sample(corpora, "validation", self.config.held_out_lines, self.config.seed)
        if not len(sample):
            names = ", ".join(self.corpora)
            raise InputError(f"{names}: the train split has no line of text; name a corpus with text, or check what made it")
        if len(held_out):
            return sample, held_out, "validation split"
        held_out, sample = sample.split(min(self.config.held_out_lines, -(-len(sample) // _HELD_BACK), len(sample) - 1))
        counters.drop("held_out", len(held_out))
        return sample, held_out, "sample"

    def _vocabulary(self, training: Training) -> Vocabulary:
        config = self.config
        file = style_of(config.kind, config.form).model_file
        model = training.files[file] if file else b""
        return Vocabulary(tuple(training.tokens), config.lowercase, kind=config.kind, form=config.form, model=model)

    def _train(self, sample: Sample) -> Training:
        config, start = self.config, time.monotonic()
        log.info("%s: training %s of %d entries on %d lines", self.name, config.kind, config.vocab_size, len(sample))
        training: Training = pkgutil.resolve_name(KINDS[config.kind])(sample.lines, config)
        log.info("%s: trained in %.0f seconds", self.name, time.monotonic() - start)
        if len(training.tokens) < config.vocab_size:
            log.warning(
                "vocabulary: %d entries of the %d asked for; the sample of %d lines has no more subwords seen often enough",
                *(len(training.tokens), config.vocab_size, len(sample)),
            )
        return training
