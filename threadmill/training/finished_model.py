"""A finished model's dataset: what training names its files, and how later stages open it. Light to import."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.unfinished import refuse_unfinished
from threadmill.errors import InputError, IntegrityError

TRAIN = "train"  # the stage
CONFIG_NAME = "config.json"


@dataclass(frozen=True)
class FinishedModel:
    """A model that the stage `TRAIN` has made.

    Attributes:
        described: its config.json: sizes, objective, lengths, digests, and the settings of its training.
    """

    dataset: Dataset
    described: Mapping[str, Any]


def open_finished(uri: str) -> FinishedModel:
    """The model in the folder ``uri``.

    Raises:
        InputError: there is none, its training has not come to its end, or it is a dataset of another stage.
        IntegrityError: its config.json is damaged.
    """
    refuse_unfinished(uri)
    dataset = Dataset.open(uri)
    if dataset.manifest.stage != TRAIN:
        raise InputError(f"{uri} is a dataset of the stage {dataset.manifest.stage}, not a model; name a model's folder")
    path = storage.join(uri, CONFIG_NAME)
    try:
        return FinishedModel(dataset, orjson.loads(storage.read_bytes(path)))
    except (FileNotFoundError, orjson.JSONDecodeError) as error:
        raise IntegrityError(f"{path} was removed or changed after it was written ({error}); train the model again") from error
