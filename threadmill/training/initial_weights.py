"""Initial weights: finds those of a finished model or of another run's checkpoint, tells what they fit, and reads them.

Only the reading of a Keras file imports Keras, so that a stage can refuse what does not fit, and name what a run depends on,
before any process of the trainer starts.
"""

import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.datasets.digest import file_digest, json_digest
from threadmill.datasets.manifest import MANIFEST_NAME, read_manifest
from threadmill.errors import ConfigError, InputError
from threadmill.training.finished_model import CONFIG_NAME
from threadmill.training.models.presets import DIMENSIONS, PRESETS, ModelPreset
from threadmill.training.runs.checkpoint_files import Checkpoint, checkpoint_places, describe
from threadmill.training.runs.checkpoints import read_weights
from threadmill.training.runs.identity import in_words
from threadmill.training.runs.tensor_files import DamagedFileError
from threadmill.training.runs.workspace import MODEL_NAME, Workspace

log = logging.getLogger(__name__)

# What a model and its weights must share, as far as it is known of the weights: the names are those of config.json.
FACTS = (
    "architecture",
    "encoder_layers",
    "num_layers",
    "hidden_dim",
    "num_heads",
    "intermediate_dim",
    "normalize_first",
    "vocabulary_size",
    "vocabulary_digest",
)

_KERAS_SUFFIX = ".keras"
_NAMED = 5  # files that an error names


@dataclass(frozen=True)
class WeightsSource:
    """Where initial weights lie.

    Attributes:
        uri: the Keras file, or the folder of one checkpoint.
        digest: SHA-256 (hex) of what they are: the manifest's, the Keras file's, or one over the checkpoint's files.
        facts: those of `FACTS` that are known of them.
    """

    uri: str
    digest: str
    facts: Mapping[str, Any]

    @property
    def is_model(self) -> bool:
        """Whether it is a Keras file."""
        return self.uri.endswith(_KERAS_SUFFIX)


@dataclass(frozen=True)
class InitialWeights:
    """NumPy arrays by the `weight_name` of their Keras variables, without random states, and where they come from."""

    source: WeightsSource
    weights: Mapping[str, Any]


def weight_name(path: str) -> str:
    """The name of a weight by its Keras variable's path.

    RoBERTa's embeddings are ``embeddings/token_embedding/...`` in a model as KerasHub builds it, and lose that first
    component in one that is loaded from a file.
    """
    return path.removeprefix("embeddings/")


def find_weights(uri: str) -> WeightsSource:
    """The weights at ``uri``, unread (but for the digest of a Keras file that no manifest vouches for).

    Args:
        uri: a finished model's folder, a Keras file or the folder of an exported one, a checkpoint (``.../step-N`` or
            ``.../best``), or the folder of a run or of checkpoints, for the newest of them.

    Raises:
        InputError: there are none.
    """
    uri = uri.rstrip("/")
    source = _find_model(uri) or _find_checkpoint(uri)
    if source is None:
        names = storage.list_names(uri)
        state = f"holds none (but {', '.join(names[:_NAMED])})" if names else "is empty or not there"
        raise InputError(
            f"init_from names {uri} for the initial weights, which {state}; name a finished model's folder, a "
            f"{_KERAS_SUFFIX} file, a run's folder, or one of its checkpoints (.../checkpoints/step-N)"
        )
    return source


def initial_digest(uri: str) -> str:
    """SHA-256 (hex) of the weights at ``uri``, for the identity of a run; see `find_weights`."""
    return find_weights(uri).digest


def model_facts(preset: ModelPreset, vocabulary_size: int, vocabulary_digest: str) -> dict[str, Any]:
    """Those of `FACTS` that hold for a model of the dimensions ``preset``."""
    known = {**asdict(preset), "vocabulary_size": vocabulary_size, "vocabulary_digest": vocabulary_digest}
    return _facts(known)


def check_facts(source: WeightsSource, expected: Mapping[str, Any]) -> None:
    """Checks that a model of the facts ``expected`` can take the weights, as far as it is known of them.

    Raises:
        ConfigError: it cannot; the message names the fields that differ.
    """
    both = [name for name in source.facts if name in expected]
    refuse(source, {name: (source.facts[name], expected[name]) for name in both if source.facts[name] != expected[name]})


def refuse(source: WeightsSource, differing: Mapping[str, tuple[Any, Any]]) -> None:
    """Raises ConfigError if there is any of ``differing``: by name, what the weights have and what the model has."""
    if differing:
        raise ConfigError(
            f"the model cannot begin with the weights at {source.uri} ({in_words(differing)}); train a "
            "model of the same sizes and vocabulary, name other weights, or leave init_from out"
        )


def read_source(source: WeightsSource) -> InitialWeights:
    """The weights of ``source``. Imports Keras where they are a Keras file's.

    Raises:
        InputError: a file is damaged.
    """
    if source.is_model:
        return InitialWeights(source, _read_keras_file(source.uri))
    weights = {weight_name(path): values for path, values in read_weights(source.uri).items() if not _is_random_state(path)}
    return InitialWeights(source, weights)


def _find_model(uri: str) -> WeightsSource | None:
    """The Keras file that ``uri`` names, or the one in the folder ``uri``."""
    folder, path = _folder_of(uri) if uri.endswith(_KERAS_SUFFIX) else uri, uri
    if folder == uri:
        path = storage.join(uri, MODEL_NAME)
    if storage.size(path) < 0 or storage.is_directory(path):
        return None
    vouched = folder == uri and storage.exists(storage.join(uri, MANIFEST_NAME))
    digest = read_manifest(uri).digest if vouched else file_digest(path)
    config = storage.join(folder, CONFIG_NAME)
    described = orjson.loads(storage.read_bytes(config)) if storage.size(config) >= 0 else {}
    return WeightsSource(path, digest, _facts(described))


def _folder_of(uri: str) -> str:
    return uri.removesuffix(storage.name_of(uri)).rstrip("/")


def _find_checkpoint(uri: str) -> WeightsSource | None:
    """The checkpoint ``uri``, or the newest one in the folder ``uri`` or in its ``checkpoints/``."""
    for folder in (uri, Workspace(uri).checkpoints):
        for place in checkpoint_places(folder):
            try:
                return _checkpoint(place, describe(place))
            except DamagedFileError as error:
                log.warning("%s is damaged and passed over (%s)", place, error)
    return None


def _checkpoint(uri: str, checkpoint: Checkpoint) -> WeightsSource:
    identity = checkpoint.identity
    preset = PRESETS.get(str(identity.get("model", "")))
    sizes = asdict(preset.resized(**{name: int(identity.get(name, 0)) for name in DIMENSIONS})) if preset else {}
    known = {**sizes, "vocabulary_digest": identity.get("vocabulary")}
    content = {"step": checkpoint.step, "identity": identity, "files": [asdict(file) for file in checkpoint.files]}
    return WeightsSource(uri, json_digest(content), _facts(known))


def _facts(known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known[name] for name in FACTS if known.get(name) is not None}


def _read_keras_file(uri: str) -> dict[str, Any]:
    import keras

    with _on_this_machine(uri) as path:
        try:
            model = keras.models.load_model(path, compile=False)
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(
                f"{uri} cannot be read as a Keras file ({reason}); name another, or export the model again"
            ) from error
    return {weight_name(variable.path): keras.ops.convert_to_numpy(variable.value) for variable in model.weights}


@contextmanager
def _on_this_machine(uri: str) -> Iterator[str]:
    """The path of the file, which is a copy of a remote one."""
    if storage.is_local(uri):
        yield storage.local_path(uri)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, MODEL_NAME)
        with storage.open_read(uri) as source, open(path, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        yield path


def _is_random_state(path: str) -> bool:
    return path.endswith("seed_generator_state")
