"""Makes a small model's folder as training leaves it, with random weights."""

from pathlib import Path

import keras
import orjson

from tests.training.made import FIRST
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import FileEntry, Manifest, write_manifest
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import CAUSAL, ENCODER_DECODER, ModelPreset, ModelSizes

TOKENS, SEQ, TARGET = 30, 12, 9

_WIDTH = (1, 16, 2, 32, 1e-3)
_PRESETS = {
    "seq2seq": ModelPreset(*_WIDTH, architecture=ENCODER_DECODER, encoder_layers=1, normalize_first=True),
    "causal": ModelPreset(*_WIDTH, architecture=CAUSAL, normalize_first=True),
}


def make_model(folder: Path, objective: str, seed: int = 1) -> keras.Model:
    """Its vocabulary is w0 .. w24, with BERT's special tokens before them."""
    folder.mkdir()
    keras.utils.set_random_seed(seed)
    target = TARGET if objective == "seq2seq" else 0
    model = build_model(_PRESETS[objective], ModelSizes(TOKENS, SEQ, target), 0.1)
    for variable in model.trainable_variables:  # larger weights, so that the logits differ from context to context
        if variable.name == "kernel":
            variable.assign(20 * variable.numpy())
    model.save(folder / "model.keras")
    described = {
        "objective": objective,
        "max_seq_length": SEQ,
        "max_target_length": target,
        "training": {"backend": keras.backend.backend()},
    }
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(TOKENS - FIRST))]
    (folder / "config.json").write_bytes(orjson.dumps(described))
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    names = "model.keras", "config.json", "vocab.txt"
    files = tuple(FileEntry(name, 1, (folder / name).stat().st_size, "") for name in names)
    write_manifest(str(folder), Manifest(folder.name, "train", 2, {}, (), (), files, Counters(written=1)))
    return model
