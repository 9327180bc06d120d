"""The dialogues stage: dialogue sets made elsewhere to shards of context/response examples, as conversations are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

import orjson
import polars as pl

from threadmill.conversations.config import SPLITS
from threadmill.conversations.formats import ShardWriter, encode, open_shard
from threadmill.corpora.addresses import public_uri
from threadmill.corpora.dialogues.config import DialoguesConfig
from threadmill.corpora.dialogues.examples import DialogueExample, DroppedMessage, dialogue_features
from threadmill.corpora.dialogues.parts import PART_BYTES, DialoguePart, cut_source
from threadmill.corpora.dialogues.readers import read_messages
from threadmill.corpora.dialogues.sources import find_dialogues
from threadmill.corpora.reddit.sources import refuse_change, source_state
from threadmill.corpora.text.texts import DeadLetter
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field, InputEntry
from threadmill.datasets.shards import ShardName
from threadmill.engine.stage import MapStage, Plan, ShardStream, Task, TaskOutput, TaskResult
from threadmill.errors import InputError

STAGE = "dialogues"

_ENCODED = 1 << 12  # examples that are encoded at a time
_FIRST_BAD = 3
_POSITIONS = 1 << 64


class DialoguesStage(MapStage):
    """Reads dialogue sets in parts of some 16 MiB, each a task. The funnel counts messages: what one speaker is to answer.

    Args:
        sources: files, folders of them, or web addresses.
        part_bytes: decompressed bytes of a part at least; the shards depend on it.
    """

    name = STAGE
    version = 1
    unit = "messages"

    def __init__(self, sources: Sequence[str], config: DialoguesConfig | None = None, part_bytes: int = PART_BYTES) -> None:
        self._uris = tuple(sources)
        self.config = config or DialoguesConfig()
        self._part_bytes = part_bytes

    def plan(self) -> Plan:
        """One task a part; reads each source twice, for its digest and for the parts, and downloads those on the web.

        Raises:
            InputError: a source is missing, damaged or of no known format, or changes meanwhile.
        """
        inputs, parts = list[InputEntry](), list[DialoguePart]()
        for source in find_dialogues(self._uris, self.config.source_format):
            state = source_state(source.uri)
            inputs.append(InputEntry(source.name, state.digest, public_uri(source.uri)))
            parts.extend(cut_source(source, state.fingerprint, self._part_bytes))
        schema = tuple(Field(name, "bytes") for name in dialogue_features(self.config.parent_depth))
        return Plan(tuple(inputs), tuple(self._tasks(parts)), schema)

    def _tasks(self, parts: Sequence[DialoguePart]) -> list[Task]:
        """Each part with the names of its shards, by their splits."""
        splits = [self._splits(part) for part in parts]
        counts, numbers = Counter(split for several in splits for split in several), Counter[str]()
        tasks = []
        for index, (part, several) in enumerate(zip(parts, splits, strict=True)):
            names = {split: str(ShardName(split, numbers[split], counts[split], self.config.format)) for split in several}
            numbers.update(several)
            tasks.append(Task(f"part-{index:05d}", (part, names)))
        return tasks

    def _splits(self, part: DialoguePart) -> list[str]:
        """The splits that a part's examples may be of."""
        if part.source.split:
            return [part.source.split]
        used = {"train": True, "validation": self.config.validation_split > 0, "test": self.config.test_split > 0}
        return [split for split in SPLITS if used[split]]

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Reads a part to its shards and dead letters."""
        part, names = task.payload
        refuse_change(part.source.uri, part.fingerprint)
        work = _Part(self.config, part.source.name)
        with ExitStack() as stack:
            work.letters = stack.enter_context(output.dead_letters(str(ShardName(f"dead_letters-{task.name}", 0, 1, "jsonl"))))
            last_first = reversed(names.items())  # what is entered last is published first
            work.shards = {split: stack.enter_context(_Shard(output, name, self.config)) for split, name in last_first}
            for message in read_messages(part, self.config, work.counts):
                work.add(message, part.source.split)
        refuse_change(part.source.uri, part.fingerprint)
        counters = work.counters
        counters.extra.update({name: count for name, count in work.counts.items() if count})
        examples = {split: shard.examples for split, shard in work.shards.items()}
        return output.result(task, counters, {"examples": examples, "bad": dict(work.bad), "first_bad": work.first_bad})

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Examples a split, and lines that could not be parsed."""
        examples, bad = Counter[str](), Counter[str]()
        for part in parts:
            examples.update(part["examples"])
            bad.update(part["bad"])
        first = [place for part in parts for place in part["first_bad"]][:_FIRST_BAD]
        return {"examples": dict(examples), "bad_lines": {"reasons": dict(sorted(bad.items())), "first": first}}

    def check(self, counters: Counters) -> None:
        """Raises InputError where too much could not be parsed, or there is no example."""
        reasons = ", ".join(
            f"{reason}: {count:,}" for reason, count in sorted(counters.dropped.items(), key=lambda item: -item[1])
        )
        names = ", ".join(map(public_uri, self._uris))
        bad = counters.extra.get("bad_lines", 0)
        if bad > self.config.max_bad_fraction * counters.read:
            raise InputError(
                f"{names}: {bad:,} of {counters.read:,} messages ({bad / counters.read:.2%}) cannot be parsed, more than the "
                f"bound of {self.config.max_bad_fraction:.2%} ({reasons}); mend them, tell the right --source-format, or raise "
                "--max-bad-fraction to go on without them"
            )
        if not counters.written:
            raise InputError(f"{names}: none of the {counters.read:,} messages gives an example ({reasons}); name other files")


class _Part:
    """What became of a part so far."""

    letters: ShardStream
    shards: Mapping[str, "_Shard"]

    def __init__(self, config: DialoguesConfig, source: str) -> None:
        self._config, self._source = config, source
        self.counters = Counters()
        self.counts: Counter[str] = Counter()
        self.bad: Counter[str] = Counter()
        self.first_bad: list[str] = []

    def add(self, message: DialogueExample | DroppedMessage | DeadLetter, split: str) -> None:
        self.counters.read += 1
        if isinstance(message, DialogueExample):
            self.counters.kept += 1
            self.counters.written += 1
            self.shards[split or _split_of(message.key, self._config)].add(message.features)
            return
        self.counters.drop(message.reason)
        if isinstance(message, DeadLetter):
            self._note(message)

    def _note(self, letter: DeadLetter) -> None:
        self.counts["bad_lines"] += 1
        self.bad[letter.reason] += 1
        self.letters.write(orjson.dumps({"file": self._source, **asdict(letter)}, option=orjson.OPT_APPEND_NEWLINE))
        self.letters.records += 1
        if len(self.first_bad) < _FIRST_BAD:
            self.first_bad.append(f"{self._source} line {letter.line:,} ({letter.reason})")


class _Shard:
    """A shard that takes examples one by one."""

    def __init__(self, output: TaskOutput, name: str, config: DialoguesConfig) -> None:
        self._output, self._name, self._format = output, name, config.format
        self._features = dialogue_features(config.parent_depth)
        self._held: list[dict[str, str]] = []
        self._stack = ExitStack()
        self.examples = 0

    def __enter__(self) -> "_Shard":
        self._stream = self._stack.enter_context(self._output.shard(self._name))
        self._writer: ShardWriter = self._stack.enter_context(open_shard(self._stream, self._format, self._features))
        return self

    def add(self, features: dict[str, str]) -> None:
        self._held.append(features)
        if len(self._held) == _ENCODED:
            self._write()

    def _write(self) -> None:
        columns = {name: [features.get(name) for features in self._held] for name in self._features}
        self._writer.write(encode(pl.DataFrame(columns, dict.fromkeys(self._features, pl.String)), self._format))
        self.examples += len(self._held)
        self._stream.records = self.examples
        self._held.clear()

    def __exit__(self, *error: Any) -> None:
        if error[0] is None and self._held:
            self._write()
        self._stack.__exit__(*error)


def _split_of(key: str, config: DialoguesConfig) -> str:
    """The split of a dialogue, by a hash: the same in whatever file it lies."""
    place = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") / _POSITIONS
    if place < config.validation_split:
        return "validation"
    return "test" if place < config.validation_split + config.test_split else "train"
