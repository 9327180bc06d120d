"""What a parent tells its child process: everything resolved, so that the child opens no manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.inputs.masking import MaskingRules
from threadmill.training.inputs.records import RecordFiles

SpecType = TypeVar("SpecType")


@dataclass(frozen=True)
class TrainerSpec:
    """A training run.

    Attributes:
        folder: where checkpoints, losses, status and the export go.
        records: the train split.
        validation: the split that is scored on the way; None where there is none, or it is not asked for.
        vocabulary_size: entries of the vocabulary.
        masking: how to mask records that hold no masks; None where they do.
        identity: what the run's losses depend on, by name: checkpoints of another identity are not resumed.
        checkpoints_uri: the folder or bucket of the checkpoints.
        tensorboard_uri: a bucket's folder that TensorBoard's files are copied to with each checkpoint; "" for none.
        init_from: where the first weights come from, see `TrainingConfig.init_from`; "" for random ones.
        parent: the process id of whoever must not be outlived; 0 for nobody.
    """

    folder: str
    records: RecordFiles
    validation: RecordFiles | None
    vocabulary_size: int
    config: TrainingConfig
    checkpoints: CheckpointConfig
    checkpoints_uri: str
    masking: MaskingRules | None
    identity: Mapping[str, str | int | float | bool]
    tensorboard_uri: str = ""
    init_from: str = ""
    parent: int = 0


@dataclass(frozen=True)
class EvaluatorSpec:
    """An evaluation.

    Attributes:
        folder: where the status and the result go.
        model: the Keras file.
        held_out, train: the split to score, and the one whose masked tokens make the unigram baseline.
        vocabulary_size: entries of the vocabulary.
        backend: the library that computes.
        masking: see `TrainerSpec`.
        parent: see `TrainerSpec`.
    """

    folder: str
    model: str
    held_out: RecordFiles
    train: RecordFiles
    vocabulary_size: int
    backend: str
    config: EvaluationConfig
    masking: MaskingRules | None
    parent: int = 0


def read_spec(path: str, kind: type[SpecType]) -> SpecType:
    """The spec in a JSON file."""
    with open(path, "rb") as stream:
        return msgspec.json.decode(stream.read(), type=kind)


def write_spec(path: str, spec: object) -> None:
    """Writes the spec as a JSON file."""
    with open(path, "wb") as stream:
        stream.write(msgspec.json.encode(spec))
