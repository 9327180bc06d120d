"""Makes datasets of models as the stage train leaves them, of random weights throughout."""

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import orjson

from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field, FileEntry, InputEntry, Manifest, write_manifest
from threadmill.training.config import TrainingConfig
from threadmill.training.export.keras_file import export_model
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ROBERTA, ModelPreset, ModelSizes

TOKENS, SEQ, TARGET = 30, 16, 12
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(TOKENS - 5)))

# Two layers of two heads, and no two dimensions equal, so that none can be taken for another.
SIZES = {"num_layers": 2, "hidden_dim": 24, "num_heads": 3, "intermediate_dim": 40, "learning_rate": 1e-3}
PRESETS = {
    "bert": ModelPreset(**SIZES, architecture=BERT),
    "bert without next sentence": ModelPreset(**SIZES, architecture=BERT),
    "roberta": ModelPreset(**SIZES, architecture=ROBERTA),
    "pre-norm": ModelPreset(**SIZES, architecture=ENCODER_DECODER, encoder_layers=1, normalize_first=True),
    "post-norm": ModelPreset(**SIZES, architecture=ENCODER_DECODER, encoder_layers=1, normalize_first=False),
    "causal": ModelPreset(**SIZES, architecture=CAUSAL, normalize_first=True),
}
_OBJECTIVES = {BERT: "bert", ROBERTA: "roberta", ENCODER_DECODER: "seq2seq", CAUSAL: "causal"}


def random_model(kind: str) -> Any:
    """A model of which no weight is 0 or 1 by its making, so that one that is left out or taken for another shows."""
    preset = PRESETS[kind]
    sizes = ModelSizes(TOKENS, SEQ, TARGET if preset.architecture == ENCODER_DECODER else 0, next_sentence=kind == "bert")
    model = build_model(preset, sizes, 0.1)
    rng = np.random.default_rng(5)
    for variable in model.trainable_variables:
        center = 1.0 if variable.path.endswith("gamma") else 0.0
        variable.assign(rng.normal(center, 0.2, variable.shape))
    return model


def described(kind: str, model: Any) -> dict[str, Any]:
    """The model's config.json."""
    preset = PRESETS[kind]
    return {
        "model": kind,
        "architecture": preset.architecture,
        "num_layers": preset.num_layers,
        "vocabulary_size": TOKENS,
        "objective": _OBJECTIVES[preset.architecture],
        "max_seq_length": SEQ,
        "max_target_length": TARGET if preset.architecture == ENCODER_DECODER else 0,
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        "vocabulary_digest": "a" * 64,
        "records_digest": "b" * 64,
        "training": {"steps": 2, "batch_size": 4, "dropout": 0.1, "backend": keras.backend.backend(), "unigram_bias": True},
    }


def made_model(folder: Path, kind: str, model: Any) -> Path:
    """The dataset of ``model``, a model of ``PRESETS[kind]``, with a bare vocab.txt."""
    export_model(model, str(folder))
    (folder / "config.json").write_bytes(orjson.dumps(described(kind, model)))
    (folder / "losses.jsonl").write_text('{"step": 1, "loss": 3.5}\n{"step": 2, "loss": 3.25}\n')
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in VOCABULARY))
    names = ("model.keras", "config.json", "losses.jsonl", "vocab.txt")
    contents = [(name, (folder / name).read_bytes()) for name in names]
    files = tuple(FileEntry(name, 1, len(content), hashlib.sha256(content).hexdigest()) for name, content in contents)
    write_manifest(str(folder), manifest(folder.name, "train", files, InputEntry("records", "b" * 64)))
    return folder


def made_evaluation(model: Path, scores: dict[str, Any], of_digest: str = "") -> None:
    """An evaluation in the model's folder; of another model where ``of_digest`` is one."""
    folder = model / "evaluation"
    folder.mkdir(exist_ok=True)
    content = orjson.dumps(scores)
    (folder / "evaluation.json").write_bytes(content)
    files = (FileEntry("evaluation.json", 1, len(content), hashlib.sha256(content).hexdigest()),)
    digest = of_digest or Dataset.open(str(model)).manifest.digest
    write_manifest(str(folder), manifest("evaluation", "evaluate", files, InputEntry(model.name, digest, str(model))))


def manifest(name: str, stage: str, files: tuple[FileEntry, ...], *inputs: InputEntry) -> Manifest:
    counters = Counters(read=1, kept=1, written=1)
    return Manifest(name, stage, 1, vars(TrainingConfig()), inputs, (Field(files[0].name, "file"),), files, counters)


def made_inputs(model: Any, rows: int = 2) -> dict[str, np.ndarray]:
    """Inputs for it, without padding: one segment, but for BERT's two."""
    rng = np.random.default_rng(6)
    inputs = {}
    for name in model.input:
        length = TARGET if name.startswith("decoder") else SEQ
        if name.endswith("token_ids"):
            inputs[name] = rng.integers(5, TOKENS, (rows, length))
        elif name == "mask_positions":
            inputs[name] = np.tile(np.arange(SEQ), (rows, 1))
        else:
            inputs[name] = np.ones((rows, length))
    if "mask_positions" in inputs and "segment_ids" in inputs:
        inputs["segment_ids"][:, : SEQ // 2] = 0
    return {name: values.astype(np.int32) for name, values in inputs.items()}


def outputs_of(model: Any, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in model(inputs, training=False).items()}
