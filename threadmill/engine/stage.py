"""What a stage is: a function from datasets to a dataset, cut into tasks that can be run in any order."""

import hashlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, ClassVar

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field, FileEntry, InputEntry
from threadmill.datasets.shards import ShardName

if TYPE_CHECKING:
    from threadmill.engine.phases import Phase, StageRun


@dataclass(frozen=True)
class Task:
    """A unit of work: it writes one shard, or the shards of one source.

    Attributes:
        name: unique in its stage, fit for a file name.
        payload: what ``process`` needs besides the config; picklable.
    """

    name: str
    payload: Any = None


@dataclass(frozen=True)
class TaskResult:
    """What a finished task left: its files, its counts and what it measured; ``partial`` where its input ended too early."""

    name: str
    shards: tuple[FileEntry, ...]
    counters: Counters
    dead_letters: tuple[FileEntry, ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True)
class Plan:
    """What a stage is going to do: from which inputs, in which tasks, to records of which schema.

    ``partial`` tells that an input is known to be incomplete.
    """

    inputs: tuple[InputEntry, ...]
    tasks: tuple[Task, ...]
    schema: tuple[Field, ...]
    partial: bool = False


class ShardStream:
    """A binary stream that counts and digests what passes; the writer adds to ``records`` itself."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.bytes = 0
        self.records = 0

    def write(self, content: Any) -> int:
        """Writes bytes or any contiguous buffer; returns its length in bytes."""
        view = memoryview(content).cast("B")
        self._stream.write(view)
        self._digest.update(view)
        self.bytes += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Bytes written so far."""
        return self.bytes

    def flush(self) -> None:
        """Hands what is buffered to the system."""
        self._stream.flush()

    def writable(self) -> bool:
        """True: pyarrow asks."""
        return True

    def readable(self) -> bool:
        """False: pyarrow asks."""
        return False

    def seekable(self) -> bool:
        """False: shards are written front to back."""
        return False

    def close(self) -> None:
        """Left to the owner of the stream below."""

    def entry(self, name: str) -> FileEntry:
        """The manifest's entry of what was written."""
        return FileEntry(name, self.records, self.bytes, self._digest.hexdigest())


class NumberedShards:
    """Shards written one after the other under temporary names; see `TaskOutput.numbered_shards`."""

    def __init__(self, uri: str, split: str) -> None:
        self._uri, self._split = uri, split
        self._writer = uuid.uuid4().hex[:8]  # two machines may be given the same task
        self._streams: list[ShardStream] = []

    @contextmanager
    def shard(self) -> Iterator[ShardStream]:
        """The next shard."""
        with storage.atomic_writer(self._temporary(len(self._streams))) as raw:
            stream = ShardStream(raw)
            yield stream
        self._streams.append(stream)

    def publish(self, suffix: str) -> Iterator[tuple[FileEntry, int | None]]:
        """Gives the shards their names; yields each with what `storage.remove` takes for its generation.

        One that is killed meanwhile has no receipt, so its task is done again.
        """
        count = len(self._streams)
        names = [str(ShardName(self._split, index, count, suffix)) for index in range(count)]
        pairs = [(self._temporary(index), storage.join(self._uri, name)) for index, name in enumerate(names)]
        for stream, name, generation in zip(self._streams, names, storage.rename_many(pairs), strict=True):
            yield stream.entry(name), generation

    def discard(self) -> None:
        """Removes the shards that have no name yet."""
        storage.remove_many([self._temporary(index) for index in range(len(self._streams))])

    def _temporary(self, index: int) -> str:
        return storage.join(self._uri, f"{storage.TEMPORARY_PREFIX}{self._writer}-{self._split}-{index:05d}")


class TaskOutput:
    """Where a task writes: each file appears whole or not at all, and is noted for the manifest."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._shards: list[FileEntry] = []
        self._dead_letters: list[FileEntry] = []
        self._generations: dict[str, int | None] = {}

    @contextmanager
    def shard(self, name: str) -> Iterator[ShardStream]:
        """A new shard under ``name``."""
        with storage.atomic_writer(storage.join(self.uri, name)) as raw:
            stream = ShardStream(raw)
            yield stream
        self._note(self._shards, stream.entry(name), getattr(raw, "version", None))

    @contextmanager
    def numbered_shards(self, split: str, suffix: str) -> Iterator["NumberedShards"]:
        """Shards of a split whose count is known only at the end, when all get their names at once."""
        shards = NumberedShards(self.uri, split)
        try:
            yield shards
            for entry, generation in shards.publish(suffix):
                self._note(self._shards, entry, generation)
        except BaseException:
            shards.discard()
            raise

    @contextmanager
    def dead_letters(self, name: str) -> Iterator[ShardStream]:
        """A new file for what could not be parsed; noted only if anything was written to it."""
        path = storage.join(self.uri, name)
        with storage.atomic_writer(path) as raw:
            stream = ShardStream(raw)
            yield stream
        if stream.records:
            self._note(self._dead_letters, stream.entry(name), getattr(raw, "version", None))
        else:
            storage.remove(path)

    def discard(self) -> None:
        """Removes the files that are in place; in Cloud Storage only those of its own, should another do the same task."""
        for file in (*self._shards, *self._dead_letters):
            storage.remove(storage.join(self.uri, file.name), self._generations[file.name])

    def _note(self, files: list[FileEntry], entry: FileEntry, generation: int | None) -> None:
        files.append(entry)
        self._generations[entry.name] = generation

    def result(
        self, task: Task, counters: Counters, statistics: Mapping[str, Any] | None = None, *, partial: bool = False
    ) -> TaskResult:
        """What the task left, its counters checked."""
        counters.check(task.name)
        return TaskResult(task.name, tuple(self._shards), counters, tuple(self._dead_letters), statistics or {}, partial)


class Stage(ABC):
    """A function from datasets to a dataset. Subclasses are picklable: workers get a copy.

    Attributes:
        name: the field's term for what it does; also the manifest's ``stage``.
        version: raised whenever the same inputs and config give other bytes.
        config: a frozen dataclass that holds all that the bytes depend on, and nothing else (no paths, no workers).
        unit: what the funnel counts, for people ("comments").
    takes_partial: True for a stage that may read incomplete datasets without being told.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    unit: ClassVar[str]
    takes_partial: ClassVar[bool] = False
    config: Any

    @abstractmethod
    def plan(self) -> Plan:
        """Looks at the inputs (and no more of them than it must) and says what will be done."""

    def phases(self, run: "StageRun") -> "Sequence[Phase]":
        """The phases that together see to the receipts of all the plan's tasks, or to the manifest itself; none where the
        stage is done here and now.
        """
        return ()

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Merges what the tasks measured, in the plan's order of tasks."""
        return {}

    def check(self, counters: Counters) -> None:
        """Raises if the finished stage's counters mean that its result is of no use."""
        return None


class MapStage(Stage):
    """A stage whose tasks know nothing of each other: an engine runs them in any order, anywhere.

    Attributes:
        runs_here: True for a stage whose work is too small, or too bound to this process, for a remote engine.
    """

    runs_here: ClassVar[bool] = False

    def phases(self, run: "StageRun") -> "Sequence[Phase]":
        """One, where the engine is remote."""
        from threadmill.engine.phases import TasksPhase

        return () if self.runs_here or run.site.engine == "local" else (TasksPhase(self, run.plan.tasks, run),)

    @abstractmethod
    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Does one task: a pure function of its payload, the inputs it names and the config."""


class StreamStage(Stage):
    """A stage whose tasks come out of one stream, such as one sorted query of the warehouse."""

    @abstractmethod
    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        """Does the given tasks (those not yet done), yielding each as its files are in place."""
