"""The files of one checkpoint: arrays in parts of bounded size, and checkpoint.json, which tells of them and is written last."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import msgspec
import numpy as np

from threadmill.datasets import storage
from threadmill.training.runs.tensor_files import DamagedFileError, FileDigest, Tensors, read_tensors, write_tensors

CHECKPOINT_NAME = "checkpoint.json"
STEP_PREFIX = "step-"

_FILE_BYTES = 1 << 28
_THREADS = 4

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class CheckpointFile:
    """A file of a checkpoint.

    Attributes:
        tensors: the names of the arrays in it, so that those of a model are read without its optimizer's.
    """

    name: str
    bytes: int
    sha256: str
    tensors: tuple[str, ...]

    @property
    def digest(self) -> FileDigest:
        """What it must be read as."""
        return FileDigest(self.bytes, self.sha256)


@dataclass(frozen=True)
class Checkpoint:
    """The content of checkpoint.json, which is written last: a folder without one holds no checkpoint.

    Attributes:
        step: steps done.
        loss: of that step; of the validation in the best one.
        backend: the library that computed.
        identity: of the run.
        files: all of the state.
        created: ISO 8601, UTC.
    """

    step: int
    loss: float
    backend: str
    identity: Mapping[str, str | int | float | bool]
    files: tuple[CheckpointFile, ...]
    created: str


def describe(place: str) -> Checkpoint:
    """What is told of the checkpoint in a folder.

    Raises:
        DamagedFileError: there is none, or its checkpoint.json is damaged.
    """
    uri = storage.join(place, CHECKPOINT_NAME)
    try:
        return msgspec.json.decode(storage.read_bytes(uri), type=Checkpoint)
    except FileNotFoundError:
        raise DamagedFileError(f"there is no {uri}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{uri}: {error}") from None


def published_steps(uri: str) -> list[int]:
    """The steps of the checkpoints below a folder, ascending."""
    names = [name.removeprefix(STEP_PREFIX) for name in storage.list_names(uri) if name.startswith(STEP_PREFIX)]
    steps = sorted(int(name) for name in names if name.isdecimal())
    return [step for step in steps if is_published(storage.join(uri, f"{STEP_PREFIX}{step}"))]


def checkpoint_places(uri: str) -> list[str]:
    """The folder of a checkpoint alone, or those of all that are below the folder ``uri``, the newest first."""
    if is_published(uri):
        return [uri]
    return [storage.join(uri, f"{STEP_PREFIX}{step}") for step in reversed(published_steps(uri))]


def is_published(place: str) -> bool:
    """Whether a folder holds a checkpoint, and not half of one."""
    # By its listing: to ask whether an object exists is answered by no, too, where the store is out of reach.
    return CHECKPOINT_NAME in storage.list_names(place)


def write_files(place: str, state: Tensors, prefix: str) -> tuple[CheckpointFile, ...]:
    """Writes the state into files of a folder, whose names begin with ``prefix``; several at a time."""
    parts = _parts(state)
    names = [f"{prefix}state-{number:05}-of-{len(parts):05}.safetensors" for number in range(1, len(parts) + 1)]
    with ThreadPoolExecutor(_THREADS) as pool:
        digests = pool.map(lambda name, part: write_tensors(storage.join(place, name), part), names, parts)
        files = zip(names, digests, parts, strict=True)
        return tuple(CheckpointFile(name, **asdict(digest), tensors=tuple(part)) for name, digest, part in files)


def _parts(state: Tensors) -> list[Tensors]:
    """The state in order of names, so that a model's are together, in groups of some 256 MB; an array is never divided."""
    parts: list[dict[str, np.ndarray]] = [{}]
    size = 0
    for name in sorted(state):
        if parts[-1] and size + state[name].nbytes > _FILE_BYTES:
            parts.append({})
            size = 0
        parts[-1][name] = state[name]
        size += state[name].nbytes
    return list(parts)


def read_files(place: str, files: Iterable[CheckpointFile]) -> State:
    """The arrays in these files of a folder.

    Raises:
        DamagedFileError: one is missing or damaged.
    """
    state: State = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for tensors in pool.map(lambda file: read_tensors(storage.join(place, file.name), file.digest), files):
            state |= tensors
    return state


def remove_checkpoint(place: str) -> None:
    """Removes a checkpoint's folder."""
    storage.remove(storage.join(place, CHECKPOINT_NAME))  # first, so that half of a checkpoint is never taken for one
    storage.remove_tree(place)


def remove_unlisted(place: str) -> None:
    """Removes what a save that was cut off left in the folder; without a checkpoint.json, all of it."""
    names = storage.list_names(place)
    try:
        listed = {CHECKPOINT_NAME, *(file.name for file in describe(place).files)} if CHECKPOINT_NAME in names else set()
    except DamagedFileError:
        return
    for name in names:
        if name not in listed:
            storage.remove(storage.join(place, name))
    if not listed:
        storage.remove_empty_directory(place)
