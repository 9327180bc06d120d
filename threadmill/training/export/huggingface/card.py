"""The model card: README.md with the header of Hugging Face's hub, from what the model's files tell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined

import threadmill
from threadmill.training.export.formats import ExportConfig
from threadmill.training.export.huggingface.layout import Json, Layout
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ROBERTA

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")

_WHAT = {
    BERT: "A bidirectional encoder in the manner of BERT (Devlin et al. 2018).",
    ROBERTA: "A bidirectional encoder in the manner of RoBERTa (Liu et al. 2019).",
    ENCODER_DECODER: "An encoder-decoder that answers a conversation, in the manner of BlenderBot (Roller et al. 2020).",
    CAUSAL: "A causal language model in the manner of GPT-2 (Radford et al. 2019).",
}
_TEXT_LAYOUT = {
    BERT: "The tokenizer sets a beginning before the text and a separator behind it, as in training.",
    ROBERTA: "The tokenizer sets a beginning before the text and a separator behind it, as in training.",
    ENCODER_DECODER: "The tokenizer sets a separator behind each text. A context of several turns has one behind each of them: "
    "join earlier turns with `tokenizer.sep_token`.",
    CAUSAL: "The tokenizer adds nothing to the text. A separator (`tokenizer.sep_token`) ends a document, and a turn of a "
    "conversation.",
}
_USES = {
    BERT: "tokens = tokenizer(f'text with a {tokenizer.mask_token} in it', return_tensors='pt')\nlogits = model(**tokens)[0]",
    ENCODER_DECODER: "tokens = tokenizer('how are you?', return_tensors='pt')\nreplies = model.generate(**tokens)\n"
    "print(tokenizer.batch_decode(replies, skip_special_tokens=True))",
    CAUSAL: "tokens = tokenizer('Once upon a time', return_tensors='pt')\ntexts = model.generate(**tokens, max_new_tokens=40)\n"
    "print(tokenizer.batch_decode(texts, skip_special_tokens=True))",
}
_USES[ROBERTA] = _USES[BERT]

_ARCHITECTURE = {
    "model": "preset",
    "architecture": "architecture",
    "encoder_layers": "layers of the encoder",
    "num_layers": "layers",
    "hidden_dim": "width",
    "num_heads": "attention heads",
    "intermediate_dim": "width of the feed-forward layers",
    "vocabulary_size": "tokens of the vocabulary",
    "max_seq_length": "tokens of a sequence at most",
    "max_target_length": "tokens of a response at most",
    "parameters": "parameters",
    "objective": "objective",
    "next_sentence": "tells a next sentence",
}


@dataclass(frozen=True)
class Score:
    """One number of an evaluation: its name there, what it is in words, and its value as text."""

    name: str
    meaning: str
    value: str


def model_card(name: str, layout: Layout, described: Json, losses: bytes, scores: Json, config: ExportConfig) -> str:
    """The card.

    Args:
        name: the model's.
        described: its config.json.
        losses: its losses.jsonl.
        scores: its evaluation.json; empty where there is none.
    """
    architecture = described["architecture"]
    environment = Environment(
        loader=PackageLoader("threadmill.training.export.huggingface"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["markdown"] = _escaped
    return environment.get_template("model_card.md.j2").render(
        name=name,
        task=layout.task,
        model_class=layout.model_class,
        license=config.license,
        language=config.language,
        tags=["threadmill", layout.config["model_type"], described["objective"]],
        objective=described["objective"],
        version=threadmill.__version__,
        what=_WHAT[architecture],
        use=_use(architecture, layout.model_class),
        text_layout=_TEXT_LAYOUT[architecture],
        architecture=[(words, _told(described[key])) for key, words in _ARCHITECTURE.items() if described.get(key)],
        trained=_trained(losses, described["training"]),
        settings=[(key, _told(value)) for key, value in described["training"].items()],
        digests=[("records", described["records_digest"]), ("vocabulary", described["vocabulary_digest"])],
        scores=_scores(scores),
    )


def _use(architecture: str, model_class: str) -> str:
    return (
        f"from transformers import AutoTokenizer, {model_class}\n\n"
        "folder = '.'  # where this file lies\n"
        f"tokenizer, model = AutoTokenizer.from_pretrained(folder), {model_class}.from_pretrained(folder)\n{_USES[architecture]}"
    )


def _trained(losses: bytes, training: Mapping[str, Any]) -> str:
    """The run in a sentence or two: its steps, and the losses of its ends."""
    lines = [orjson.loads(line) for line in losses.splitlines()]
    end = lines[-100:]
    mean = sum(line["loss"] for line in end) / len(end)
    sequences = training["steps"] * training["batch_size"]
    return (
        f"{training['steps']:,} steps of {training['batch_size']:,} sequences ({sequences:,} in all). The loss of the first "
        f"step was {lines[0]['loss']:.3f} nats, and the mean of the last {len(end):,} steps {mean:.3f}."
    )


def _scores(scores: Json) -> list[Score]:
    """The numbers of an evaluation, in its order, those within others by both names."""
    found = []
    for name, value in scores.items():
        if isinstance(value, Mapping):
            found += [Score(f"{name}_{one.name}", f"{name} {one.meaning}".replace("_", " "), one.value) for one in _scores(value)]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append(Score(name, name.replace("_", " "), _number(value)))
    return found


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _escaped(str(value)) or "-"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
