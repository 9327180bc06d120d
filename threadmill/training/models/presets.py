"""The registry of model sizes, each with its published dimensions and the learning rate that suits it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from threadmill.errors import ConfigError

BERT, ROBERTA, ENCODER_DECODER, CAUSAL = "bert", "roberta", "encoder_decoder", "causal"

# The dimensions of a preset that can be set to others.
DIMENSIONS = ("num_layers", "encoder_layers", "hidden_dim", "num_heads", "intermediate_dim")

# The objectives of records that the models of an architecture learn. BERT learns RoBERTa's as one segment; RoBERTa has
# neither segments nor a next sentence to tell.
LEARNT = {BERT: ("bert", "roberta"), ROBERTA: ("roberta",), ENCODER_DECODER: ("seq2seq",), CAUSAL: ("causal",)}


@dataclass(frozen=True)
class ModelSizes:
    """What a model's size depends on besides its preset: vocabulary and records.

    Attributes:
        vocabulary_size: V tokens.
        max_seq_length: S tokens of a sequence; of a context, for an encoder-decoder.
        max_target_length: T tokens of a response; 0 but for an encoder-decoder.
        next_sentence: BERT has a second head, which tells whether its second segment follows the first.
    """

    vocabulary_size: int
    max_seq_length: int
    max_target_length: int = 0
    next_sentence: bool = False

    @property
    def positions(self) -> int:
        """Learned positions of each stack. An encoder and its decoder have as many, as Hugging Face's configurations tell one."""
        return max(self.max_seq_length, self.max_target_length)


@dataclass(frozen=True)
class ModelPreset:
    """The dimensions of a transformer.

    Attributes:
        num_layers, hidden_dim, num_heads, intermediate_dim: L, H, A and the width of the feed-forward layers. An
            encoder-decoder's L are its decoder's; both its stacks have the other three.
        learning_rate: the peak rate that a run takes by default.
        warmup_steps: the warm-up that a run takes by default; None for a tenth of the run.
        architecture: the key of `threadmill.training.models.build.ARCHITECTURES`, and of `LEARNT`.
        max_seq_length: the tokens of a sequence at most, of a response too.
        encoder_layers: of an encoder-decoder, else 0.
        normalize_first: layer norms stand before attention and feed-forward layers, and one after each stack; if not, behind
            them, and one on the embeddings. An encoder-decoder has either; BERT and RoBERTa have them behind, GPT-2 before.
    """

    num_layers: int
    hidden_dim: int
    num_heads: int
    intermediate_dim: int
    learning_rate: float
    warmup_steps: int | None = None
    architecture: str = BERT
    max_seq_length: int = 512
    encoder_layers: int = 0
    normalize_first: bool = False

    def parameters(self, sizes: ModelSizes) -> int:
        """Trainable parameters, each shared one counted once; output layers over the vocabulary share the embedding."""
        return _PARAMETERS[self.architecture](self, sizes)

    def resized(self, **dimensions: int) -> "ModelPreset":
        """The preset with those of ``dimensions``, by their names, that are not 0.

        A width that is set without an ``intermediate_dim`` has one of four times its own.

        Raises:
            ConfigError: the heads do not share the width evenly, or a model without an encoder of its own is to have one.
        """
        given: dict[str, Any] = {name: value for name, value in dimensions.items() if value}
        if "encoder_layers" in given and self.architecture != ENCODER_DECODER:
            raise ConfigError(
                f"encoder_layers is {given['encoder_layers']}, and only an encoder-decoder has an encoder beside its decoder; "
                "set num_layers instead"
            )
        if "hidden_dim" in given:
            given.setdefault("intermediate_dim", 4 * given["hidden_dim"])
        preset = replace(self, **given)
        if preset.hidden_dim % preset.num_heads:
            raise ConfigError(
                f"hidden_dim is {preset.hidden_dim}, which {preset.num_heads} heads (num_heads) do not share evenly; "
                "set a multiple"
            )
        return preset


def _encoder_parameters(preset: ModelPreset, sizes: ModelSizes) -> int:
    """Embeddings, encoder, the masked LM's head, and with a next sentence to tell the pooler and the second head."""
    width, segments = preset.hidden_dim, 2 if preset.architecture == BERT else 0
    embeddings = (sizes.vocabulary_size + sizes.positions + segments) * width + _norm(width)
    masked_lm = width * width + width + _norm(width) + sizes.vocabulary_size
    pooled = width * width + width + 2 * width + 2 if sizes.next_sentence else 0
    return embeddings + preset.num_layers * _layer(preset) + masked_lm + pooled


def _encoder_decoder_parameters(preset: ModelPreset, sizes: ModelSizes) -> int:
    """The embedding of both stacks, and of each its positions, layers and one layer norm, before or behind the layers."""
    width = preset.hidden_dim
    embeddings = (sizes.vocabulary_size + 2 * sizes.positions) * width
    cross_attention = _attention(width) + _norm(width)
    layers = (preset.encoder_layers + preset.num_layers) * _layer(preset) + preset.num_layers * cross_attention
    return embeddings + layers + 2 * _norm(width)


def _causal_parameters(preset: ModelPreset, sizes: ModelSizes) -> int:
    """Embeddings, layers, and the layer norm behind them."""
    width = preset.hidden_dim
    return (sizes.vocabulary_size + sizes.positions) * width + preset.num_layers * _layer(preset) + _norm(width)


def _layer(preset: ModelPreset) -> int:
    """Self-attention and feed-forward layer, with a layer norm each."""
    width, inner = preset.hidden_dim, preset.intermediate_dim
    return _attention(width) + (2 * width * inner + inner + width) + 2 * _norm(width)


def _attention(width: int) -> int:
    """Queries, keys, values and output."""
    return 4 * (width * width + width)


def _norm(width: int) -> int:
    return 2 * width


_PARAMETERS: dict[str, Callable[[ModelPreset, ModelSizes], int]] = {
    BERT: _encoder_parameters,
    ROBERTA: _encoder_parameters,
    ENCODER_DECODER: _encoder_decoder_parameters,
    CAUSAL: _causal_parameters,
}


def _bert(num_layers: int, hidden_dim: int, learning_rate: float, warmup_steps: int | None = None) -> ModelPreset:
    """Heads of 64 and a feed-forward layer of four times the width, as all of BERT's published sizes have them."""
    return ModelPreset(num_layers, hidden_dim, hidden_dim // 64, 4 * hidden_dim, learning_rate, warmup_steps)


def _roberta(num_layers: int, hidden_dim: int, learning_rate: float, warmup_steps: int | None = None) -> ModelPreset:
    return ModelPreset(num_layers, hidden_dim, hidden_dim // 64, 4 * hidden_dim, learning_rate, warmup_steps, ROBERTA)


def _blender(
    encoder_layers: int, num_layers: int, hidden_dim: int, num_heads: int, learning_rate: float, *, normalize_first: bool = True
) -> ModelPreset:
    return ModelPreset(
        *(num_layers, hidden_dim, num_heads, 4 * hidden_dim, learning_rate),
        architecture=ENCODER_DECODER,
        encoder_layers=encoder_layers,
        normalize_first=normalize_first,
    )


def _gpt(num_layers: int, hidden_dim: int, num_heads: int, learning_rate: float) -> ModelPreset:
    return ModelPreset(
        *(num_layers, hidden_dim, num_heads, 4 * hidden_dim, learning_rate),
        architecture=CAUSAL,
        max_seq_length=1024,
        normalize_first=True,
    )


# Dimensions and learning rates:
# - bert-*: tiny, mini and small are those of Turc et al. 2019 (arXiv:1908.08962), base and large those of Devlin et al. 2018
#   (section 3), which trained both at 1e-4, as Liu et al. 2019 did RoBERTa (table 9) in batches of 256 (table 3); the small
#   ones learn faster at higher rates. qarib is BERT-base as trained on Arabic tweets, allegro-roberta the model of the demo
#   on product reviews.
# - blender-*: Roller et al. 2020 (arXiv:2004.13637, table 2), and the options of ParlAI's model zoo: 3b is blender_3B; 1b and
#   400m have the dimensions of its distilled 1.4 B and 360 M models; 90m is blender_90M, whose layer norms are XLM's, behind.
#   blender-tiny is made for a laptop.
# - gpt2*: Radford et al. 2019 (table 2; heads of 64, as in the released models). gpt-tiny has BERT-tiny's dimensions.
# - Both at the rates of Brown et al. 2020 (table 2.1) for models of these sizes, in batches of half a million tokens.
PRESETS = {
    "bert-tiny": _bert(2, 128, 2e-3),
    "bert-mini": _bert(4, 256, 1e-3),
    "bert-small": _bert(4, 512, 5e-4),
    "bert-base": _bert(12, 768, 1e-4),
    "bert-large": _bert(24, 1024, 1e-4),
    "qarib": _bert(12, 768, 8e-5, warmup_steps=10),
    "roberta-tiny": _roberta(2, 128, 2e-3),
    "roberta-mini": _roberta(4, 256, 1e-3),
    "roberta-small": _roberta(4, 512, 5e-4),
    "roberta-base": _roberta(12, 768, 1e-4),
    "roberta-large": _roberta(24, 1024, 1e-4),
    "allegro-roberta": _roberta(4, 768, 5e-4, warmup_steps=100),
    "blender-tiny": _blender(2, 2, 128, 2, 2e-3),
    "blender-90m": _blender(8, 8, 512, 16, 6e-4, normalize_first=False),
    "blender-400m": _blender(2, 12, 1280, 32, 3e-4),
    "blender-1b": _blender(2, 12, 2560, 32, 2e-4),
    "blender-3b": _blender(2, 24, 2560, 32, 1.6e-4),
    "gpt-tiny": _gpt(2, 128, 2, 2e-3),
    "gpt2": _gpt(12, 768, 12, 6e-4),
    "gpt2-medium": _gpt(24, 1024, 16, 3e-4),
    "gpt2-large": _gpt(36, 1280, 20, 2.5e-4),
    "gpt2-xl": _gpt(48, 1600, 25, 2e-4),
}

# The model that a run takes for an objective where none is named: it learns on a laptop in minutes.
SMALLEST = {"bert": "bert-tiny", "roberta": "roberta-tiny", "seq2seq": "blender-tiny", "causal": "gpt-tiny"}


def check_model(name: str, objective: str, max_seq_length: int, max_target_length: int = 0) -> None:
    """Checks that the model ``name`` of `PRESETS` can learn records of ``objective`` with sequences of these lengths.

    Raises:
        ConfigError: it cannot.
    """
    preset = PRESETS[name]
    if objective not in LEARNT[preset.architecture]:
        others = ", ".join(other for other, one in PRESETS.items() if objective in LEARNT[one.architecture])
        raise ConfigError(
            f"the model {name} does not learn the objective {objective} that the records are made for; "
            f"use one of {others}, or make records for {' or '.join(LEARNT[preset.architecture])}"
        )
    for setting, length in (("max_seq_length", max_seq_length), ("max_target_length", max_target_length)):
        if length > preset.max_seq_length:
            raise ConfigError(
                f"the records have {length} tokens ({setting}), and the model {name} takes {preset.max_seq_length} at most; "
                f"make records with {setting} {preset.max_seq_length} or less{_longer(objective, length)}"
            )


def _longer(objective: str, length: int) -> str:
    names = [name for name, one in PRESETS.items() if objective in LEARNT[one.architecture] and length <= one.max_seq_length]
    return f", or use one of {', '.join(names)}" if names else ""
