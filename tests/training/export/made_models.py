"""Makes datasets of small models as the stage train leaves them, and inputs for these."""

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import orjson

from tests.training.models.made import SMALL, TOKENS
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field, FileEntry, InputEntry, Manifest, write_manifest
from threadmill.training.config import TrainingConfig
from threadmill.training.export.keras_file import export_model
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ROBERTA

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(TOKENS - 5)))
_OBJECTIVES = {BERT: "bert", ROBERTA: "roberta", ENCODER_DECODER: "seq2seq", CAUSAL: "causal"}


def described(kind: str, model: Any) -> dict[str, Any]:
    """The model's config.json."""
    preset, sizes = SMALL[kind]
    return {
        "model": kind,
        "architecture": preset.architecture,
        "num_layers": preset.num_layers,
        "vocabulary_size": TOKENS,
        "objective": _OBJECTIVES[preset.architecture],
        "max_seq_length": sizes.max_seq_length,
        "max_target_length": sizes.max_target_length,
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        "vocabulary_digest": "a" * 64,
        "records_digest": "b" * 64,
        "training": {"steps": 2, "batch_size": 4, "dropout": 0.1, "backend": keras.backend.backend(), "unigram_bias": True},
    }


def model_dataset(folder: Path, kind: str, model: Any) -> Path:
    """The dataset of ``model``, a model of ``SMALL[kind]``, with a bare vocab.txt."""
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
    return Manifest(name, stage, 1, vars(TrainingConfig()), inputs, (Field(name, "file"),), files, counters)


def whole_inputs(kind: str, rows: int = 2) -> dict[str, np.ndarray]:
    """Inputs of full length for a model of ``SMALL[kind]``, without padding: one segment, but for BERT's two."""
    (preset, sizes), rng = SMALL[kind], np.random.default_rng(6)

    def tokens(length: int) -> np.ndarray:
        return rng.integers(5, TOKENS, (rows, length))

    length = sizes.max_seq_length
    ones = np.ones((rows, length))
    inputs = {"token_ids": tokens(length), "segment_ids": ones}
    if preset.architecture == ENCODER_DECODER:
        inputs = {f"encoder_{name}": values for name, values in inputs.items()}
        inputs["decoder_token_ids"] = tokens(sizes.max_target_length)
        inputs["decoder_segment_ids"] = np.ones((rows, sizes.max_target_length))
    elif preset.architecture != CAUSAL:
        places = np.tile(np.arange(length), (rows, 1))
        inputs |= {"padding_mask": ones, "mask_positions": places, "segment_ids": places // (length // 2)}
    if preset.architecture == ROBERTA:
        del inputs["segment_ids"]
    return {name: values.astype(np.int32) for name, values in inputs.items()}
