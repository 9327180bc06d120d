"""Hugging Face's layout, as far as it can be told without transformers: `tests/interop` loads it with that."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from tests.training.export.made_models import VOCABULARY, described, made_evaluation, model_dataset
from tests.training.models.made import SMALL, TOKENS, made_model
from threadmill.errors import InputError
from threadmill.training.export.formats import ExportConfig, ExporterSpec
from threadmill.training.export.huggingface.files import write_huggingface
from threadmill.training.export.huggingface.layout import TokenIds
from threadmill.training.export.huggingface.tokenizer import token_ids, tokenizer_files
from threadmill.training.export.huggingface.weights import KerasWeights, activation_name
from threadmill.training.export.writing import load_model
from threadmill.vocab.wordpiece import bert_files

pytestmark = pytest.mark.keras

FILES = ["README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
CLASSES = {
    "bert": "BertForPreTraining",
    "bert without next sentence": "BertForMaskedLM",
    "roberta": "RobertaForMaskedLM",
    "pre-norm": "BlenderbotForConditionalGeneration",
    "post-norm": "BlenderbotSmallForConditionalGeneration",
    "causal": "GPT2LMHeadModel",
}


def exported(folder: Path, kind: str, model: Any, config: ExportConfig | None = None, scores: Any = None) -> Path:
    """The export of ``model``, of random weights, in ``folder``/export."""
    source = model_dataset(folder / "model", kind, model)
    if scores:
        made_evaluation(source, scores)
    target = folder / "export"
    target.mkdir()
    evaluation = str(source / "evaluation" / "evaluation.json") if scores else ""
    write_huggingface(model, ExporterSpec("", str(source), "a_model", evaluation, config or ExportConfig()), str(target))
    return target


@pytest.mark.parametrize("kind", SMALL)
def test_every_weight_is_in_the_layout_once(kind: str, tmp_path: Path) -> None:
    model = made_model(kind)
    folder = exported(tmp_path, kind, model)
    config, tensors = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")

    generating = {"generation_config.json"} if kind in ("pre-norm", "post-norm", "causal") else set()
    assert sorted(path.name for path in folder.iterdir()) == sorted({*FILES, *generating})
    assert config["architectures"] == [CLASSES[kind]]
    assert (config["vocab_size"], config["pad_token_id"], config["eos_token_id"]) == (TOKENS, 0, 3)
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype("float32")}
    # All are of the model; transformers' classes have some besides that are 0: RoBERTa's segment and the position of
    # padding, and the bias of BlenderBot's output.
    zeros = {"roberta": 2 * 24, "pre-norm": TOKENS, "post-norm": TOKENS}.get(kind, 0)
    ours = np.sort(np.concatenate([variable.numpy().ravel() for variable in model.trainable_variables]))
    theirs = np.sort(np.concatenate([*(tensor.ravel() for tensor in tensors.values())]))
    np.testing.assert_array_equal(theirs[theirs != 0], ours)
    assert len(theirs) == len(ours) + zeros


def test_same_model_gives_the_same_bytes_whether_it_was_saved_or_not(tmp_path: Path) -> None:
    first = exported(tmp_path / "first", "roberta", made_model("roberta"))
    loaded = load_model(str(tmp_path / "first" / "model" / "model.keras"))
    second = exported(tmp_path / "second", "roberta", loaded)

    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_generation_goes_by_the_model_s_own_lengths_and_marks(tmp_path: Path) -> None:
    replies = json.loads((exported(tmp_path / "a", "pre-norm", made_model("pre-norm")) / "generation_config.json").read_text())
    texts = json.loads((exported(tmp_path / "b", "causal", made_model("causal")) / "generation_config.json").read_text())

    assert (replies["decoder_start_token_id"], replies["eos_token_id"], replies["max_length"]) == (2, 3, 13)
    assert (texts["bos_token_id"], texts["eos_token_id"], texts["max_length"]) == (3, 3, 20)


def test_card_tells_what_the_model_is_and_scores(tmp_path: Path) -> None:
    scores = {"response_loss": 2.5, "ranking_accuracy": 0.625, "ranking_candidates": 100, "by_length": {"short": 0.5}}
    config = ExportConfig(to="huggingface", language="en", license="apache-2.0")
    folder = exported(tmp_path, "pre-norm", made_model("pre-norm"), config, scores)
    card = (folder / "README.md").read_text()

    header, body = card.removeprefix("---\n").split("---\n", 1)
    for line in ('license: "apache-2.0"', 'language: "en"', "pipeline_tag: text-generation", "- blenderbot", "- seq2seq"):
        assert line in header.splitlines()
    assert '    - type: ranking_accuracy\n      name: "ranking accuracy"\n      value: 0.625\n' in header
    assert "# a\\_model" in body
    assert "| ranking accuracy | 0.625 |" in body
    assert "| by length short | 0.5 |" in body
    assert f"| parameters | {described('pre-norm', made_model('pre-norm'))['parameters']:,} |" in body
    assert f"| records | `{'b' * 64}` |" in body
    assert "first step was 3.500 nats, and the mean of the last 2 steps 3.375" in " ".join(body.split())
    assert "BlenderbotForConditionalGeneration.from_pretrained" in body


def test_card_without_licence_or_scores_says_so(tmp_path: Path) -> None:
    card = (exported(tmp_path, "bert", made_model("bert")) / "README.md").read_text()

    header, body = card.removeprefix("---\n").split("---\n", 1)
    assert "license" not in header
    assert "language" not in header
    assert "model-index" not in header
    assert "has to name one before it is published" in " ".join(body.split())
    assert "It has not been evaluated yet" in body


def test_tokenizer_of_a_bare_vocabulary_lays_text_out_as_the_records_do() -> None:
    files = {"vocab.txt": "".join(f"{token}\n" for token in VOCABULARY).encode()}

    def ids(kind: str, *texts: str, cased: bool = False) -> list[int]:
        written = tokenizer_files(files, described(kind, made_model(kind)), cased=cased)
        found: list[int] = Tokenizer.from_str(written["tokenizer.json"].decode()).encode(*texts).ids
        return found

    assert ids("bert", "w1 W2", "w3") == [2, 6, 7, 3, 8, 3]
    assert ids("bert", "w1 W2", cased=True) == [2, 6, 1, 3]
    assert ids("pre-norm", "w1 w2") == [6, 7, 3]
    assert ids("pre-norm", "w1", "w2") == [6, 3, 7, 3]
    assert ids("causal", "w1 w2") == [6, 7]
    config = json.loads(tokenizer_files(files, described("roberta", made_model("roberta")), cased=False)["tokenizer_config.json"])
    assert (config["model_max_length"], config["model_input_names"]) == (
        SMALL["roberta"][1].max_seq_length,
        ["input_ids", "attention_mask"],
    )


def test_vocabulary_of_another_model_is_refused() -> None:
    files = bert_files(VOCABULARY, True)
    told = described("bert", made_model("bert"))

    assert token_ids(files, told) == TokenIds(pad=0, cls=2, sep=3)
    with pytest.raises(InputError, match=r"vocab\.txt has 30 tokens, and the model 31; train the model again"):
        token_ids(files, {**told, "vocabulary_size": 31})
    with pytest.raises(InputError, match=r"vocab\.txt has no \[SEP\]"):
        token_ids({**files, "vocab.txt": files["vocab.txt"].replace(b"[SEP]", b"<sep>")}, told)


def test_weight_without_a_place_and_unknown_activation_are_refused() -> None:
    weights = KerasWeights({"adapter/kernel": np.zeros((2, 2), np.float32), "masked_lm/output_bias": np.zeros(2, np.float32)})
    weights.take("masked_lm/output_bias")

    with pytest.raises(InputError, match="no place for: adapter/kernel; export it to keras or savedmodel"):
        weights.check_all_taken()
    with pytest.raises(InputError, match="activation is selu"):
        activation_name(SimpleNamespace(activation=keras.activations.selu))


def test_damaged_model_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"PK\x03\x04 not a model")

    with pytest.raises(InputError, match=r"model\.keras cannot be loaded with Keras .*; train the model again"):
        load_model(str(tmp_path / "model.keras"))
