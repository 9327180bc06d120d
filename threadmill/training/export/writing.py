"""Writes an export's files. Imports Keras and TensorFlow: for the exporter's process only."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import keras
import keras_hub  # noqa: F401 (registers the layers that the model is made of)

from threadmill.errors import InputError
from threadmill.training.export.formats import FORMATS, HUGGING_FACE, KERAS, SAVED_MODEL, ExporterSpec
from threadmill.training.export.huggingface.files import write_huggingface
from threadmill.training.export.huggingface.tokenizer import VOCABULARY_NAMES
from threadmill.training.export.saved_model import write_saved_model
from threadmill.training.finished_model import CONFIG_NAME
from threadmill.training.runs.workspace import MODEL_NAME, Workspace


def write_export(spec: ExporterSpec) -> None:
    """Writes the files of ``spec.config.to`` into the export folder of the spec's workspace.

    Raises:
        InputError: the model's file cannot be loaded with Keras and KerasHub alone, or the format has no place for it.
    """
    model = load_model(os.path.join(spec.model, MODEL_NAME))
    _WRITERS[spec.config.to](model, spec, Workspace(spec.folder).export)


def load_model(path: str) -> Any:
    """The model in a Keras file, on whatever backend Keras has.

    Raises:
        InputError: it cannot be loaded.
    """
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path} cannot be loaded with Keras {keras.__version__} ({told}); train the model again") from error


def _write_keras(model: Any, spec: ExporterSpec, folder: str) -> None:
    """The file as it is: that it could be loaded here, where nothing of ours is registered, shows that it can elsewhere."""
    for name in (MODEL_NAME, CONFIG_NAME, *VOCABULARY_NAMES):
        path = os.path.join(spec.model, name)
        if os.path.exists(path):
            shutil.copyfile(path, os.path.join(folder, name))


def _write_saved_model(model: Any, spec: ExporterSpec, folder: str) -> None:
    write_saved_model(model, folder)


def _write_huggingface(model: Any, spec: ExporterSpec, folder: str) -> None:
    write_huggingface(model, spec, folder)


_WRITERS: dict[str, Callable[[Any, ExporterSpec, str], None]] = {
    KERAS: _write_keras,
    SAVED_MODEL: _write_saved_model,
    HUGGING_FACE: _write_huggingface,
}
assert _WRITERS.keys() == FORMATS.keys()
