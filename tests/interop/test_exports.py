"""Models trained and exported from the shell, loaded by transformers in an environment of its own: `make test-interop`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.made import (
    FIRST,
    SEQ,
    TARGET,
    Columns,
    causal,
    make_records,
    make_vocabulary,
    roberta,
    seq2seq,
    without_next_sentence,
)
from threadmill.datasets.dataset import Dataset
from threadmill.engine.run import run_stage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage

PYTHON = os.environ.get("INTEROP_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="INTEROP_PYTHON names no environment; run `make test-interop`")

TOKENS = 300
LINES = [f"the quick brown fox number {number} jumps over lazy dogs" for number in range(200)]

OURS = """
import sys, numpy as np, keras, keras_hub
for folder in sys.argv[1:]:
    model = keras.models.load_model(folder + "/model/model.keras", compile=False)
    with np.load(folder + "/keras-inputs.npz") as inputs:
        outputs = model({name: inputs[name] for name in inputs}, training=False)
    np.savez(folder + "/ours.npz", **{name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()})
"""


@dataclass(frozen=True)
class Kind:
    """A model: its preset, what becomes of BERT's records, the class that loads it, and its outputs by their names there."""

    preset: str
    objective: str
    records: Callable[[Columns], Columns]
    model_class: str
    outputs: Mapping[str, str]
    vocabulary: str = "wordpiece"
    size: tuple[str, ...] = ()


KINDS = {
    "bert": Kind(
        *("bert-tiny", "bert", dict, "BertForPreTraining"),
        {"masked_lm": "prediction_logits", "next_sentence": "seq_relationship_logits"},
    ),
    "bert-one": Kind("bert-tiny", "bert", without_next_sentence, "BertForMaskedLM", {"masked_lm": "logits"}),
    "roberta": Kind("roberta-tiny", "roberta", roberta, "RobertaForMaskedLM", {"masked_lm": "logits"}, "bytelevel-bpe"),
    "pre-norm": Kind("blender-tiny", "seq2seq", seq2seq, "BlenderbotForConditionalGeneration", {"response": "logits"}),
    "post-norm": Kind(
        *("blender-90m", "seq2seq", seq2seq, "BlenderbotSmallForConditionalGeneration", {"response": "logits"}),
        size=(
            "--hidden-dim",
            "128",
            "--intermediate-dim",
            "256",
            "--num-heads",
            "4",
            "--num-layers",
            "3",
            "--encoder-layers",
            "2",
        ),
    ),
    "causal": Kind("gpt-tiny", "causal", causal, "GPT2LMHeadModel", {"next_token": "logits"}),
}


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind with the trained model, its export, and what both gave for the same inputs."""
    root = tmp_path_factory.mktemp("exports")
    folders = {name: root / name for name in KINDS}
    for name, kind in KINDS.items():
        train_and_export(kind, folders[name])
        ours = keras_inputs(kind)
        np.savez(folders[name] / "keras-inputs.npz", **ours)
        np.savez(folders[name] / "inputs.npz", **transformers_inputs(ours))
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", OURS, *map(str, folders.values())], check=True, env=environment)
    script = Path(__file__).with_name("load_exports.py")
    lines = "".join(json.dumps(line) + "\n" for line in LINES)
    subprocess.run([PYTHON, str(script), *map(str, folders.values())], input=lines, text=True, check=True)
    return folders


def train_and_export(kind: Kind, folder: Path) -> None:
    folder.mkdir()
    vocabulary = made_vocabulary(kind.vocabulary, folder)
    shards = {"train-00000-of-00001.tfrecord": 64}
    records = make_records(folder / "records", vocabulary, shards, kind=kind.records, objective=kind.objective)
    model = str(folder / "model")
    how = (*kind.size, "--steps", "3", "--batch-size", "4", "--learning-rate", "0.003")
    shell("train", records.uri, "--vocab", vocabulary.uri, "--model", kind.preset, *how, "--output", model)
    shell("export", model, "--to", "huggingface", "--output", str(folder / "export"))


def made_vocabulary(kind: str, folder: Path) -> Dataset:
    (folder / "corpus.txt").write_text("\n".join(LINES))
    if kind == "wordpiece":
        return make_vocabulary(folder / "vocabulary", TOKENS)
    run_stage(
        VocabularyStage(str(folder / "corpus.txt"), VocabularyConfig(kind=kind, vocab_size=TOKENS)), str(folder / "vocabulary")
    )
    return Dataset.open(str(folder / "vocabulary"))


def shell(*arguments: str) -> str:
    command = [sys.executable, "-m", "threadmill.cli", "--quiet", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def keras_inputs(kind: Kind) -> dict[str, np.ndarray]:
    """Rows of full length, without padding; of BERT's all tokens are asked for."""
    rng = np.random.default_rng(3)
    tokens, places = rng.integers(FIRST, TOKENS, (3, SEQ)), np.tile(np.arange(SEQ), (3, 1))
    inputs = {"token_ids": tokens, "segment_ids": np.ones_like(tokens)}
    if kind.objective == "seq2seq":
        response = rng.integers(FIRST, TOKENS, (3, TARGET))
        inputs = {f"encoder_{name}": values for name, values in inputs.items()}
        inputs |= {"decoder_token_ids": response, "decoder_segment_ids": np.ones_like(response)}
    elif kind.objective != "causal":
        inputs |= {"padding_mask": np.ones_like(tokens), "mask_positions": places, "segment_ids": places // (SEQ // 2)}
    if kind.objective == "roberta":
        del inputs["segment_ids"]
    return {name: values.astype(np.int32) for name, values in inputs.items()}


def transformers_inputs(ours: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = {
        "token_ids": "input_ids",
        "encoder_token_ids": "input_ids",
        "decoder_token_ids": "decoder_input_ids",
        "padding_mask": "attention_mask",
    }
    inputs = {names[name]: values for name, values in ours.items() if name in names}
    if "mask_positions" in ours and "segment_ids" in ours:
        inputs["token_type_ids"] = ours["segment_ids"]
    return inputs


def found(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "theirs.json").read_text())
    return read


@pytest.mark.parametrize("name", KINDS)
def test_class_that_the_export_names_takes_all_weights_and_gives_our_logits(exports: dict[str, Path], name: str) -> None:
    theirs, kind = found(exports[name]), KINDS[name]

    assert theirs["class"] == theirs["class by AutoModelFor"] == kind.model_class
    assert [theirs["missing"], theirs["unexpected"], theirs["mismatched"]] == [[], [], []]
    with np.load(exports[name] / "ours.npz") as ours, np.load(exports[name] / "theirs.npz") as logits:
        assert sorted(ours) == sorted(kind.outputs)
        for output, theirs_name in kind.outputs.items():
            difference = float(np.abs(ours[output] - logits[theirs_name]).max())
            print(f"{name} {output}: largest difference {difference:.2e}")
            assert difference < 1e-4


@pytest.mark.parametrize("name", KINDS)
def test_tokenizer_gives_the_ids_of_threadmill_tokenize(exports: dict[str, Path], name: str) -> None:
    command = [sys.executable, "-m", "threadmill.cli", "tokenize", "--vocab", str(exports[name] / "vocabulary")]
    lines = "".join(f"{line}\n" for line in LINES)
    ours = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()

    assert found(exports[name])["ids"] == [[int(number) for number in line.split()] for line in ours]


@pytest.mark.parametrize("name", ["pre-norm", "post-norm", "causal"])
def test_model_generates(exports: dict[str, Path], name: str) -> None:
    assert isinstance(found(exports[name])["generated"], str)
