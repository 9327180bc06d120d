"""The registry of model sizes, each with its published dimensions and the learning rate that suits it."""

from dataclasses import dataclass

from threadmill.errors import ConfigError

BERT, ROBERTA = "bert", "roberta"

# The objectives of records that the models of an architecture learn. BERT learns RoBERTa's as one segment; RoBERTa has
# neither segments nor a next sentence to tell.
LEARNT = {BERT: ("bert", "roberta"), ROBERTA: ("roberta",)}


@dataclass(frozen=True)
class ModelPreset:
    """The size of an encoder: BERT (Devlin et al. 2018, section 3) or RoBERTa (Liu et al. 2019, table 9).

    Attributes:
        num_layers, hidden_dim, num_heads, intermediate_dim: L, H, A and the width of the feed-forward layers.
        learning_rate: the peak rate that a run takes by default.
        warmup_steps: the warm-up that a run takes by default; None for a tenth of the run.
        architecture: the key of `threadmill.training.models.encoders.ARCHITECTURES`, and of `LEARNT`.
        max_seq_length: the tokens of a sequence at most.
    """

    num_layers: int
    hidden_dim: int
    num_heads: int
    intermediate_dim: int
    learning_rate: float
    warmup_steps: int | None = None
    architecture: str = BERT
    max_seq_length: int = 512

    def parameters(self, vocabulary_size: int, max_seq_length: int, *, next_sentence: bool = True) -> int:
        """Trainable parameters: embeddings, encoder, the masked LM's head (tied), and with ``next_sentence`` pooler and head."""
        width, inner = self.hidden_dim, self.intermediate_dim
        segments = 2 if self.architecture == BERT else 0
        embeddings = (vocabulary_size + max_seq_length + segments) * width + 2 * width
        layer = 4 * (width * width + width) + (2 * width * inner + inner + width) + 4 * width
        masked_lm = width * width + 3 * width + vocabulary_size
        pooled = width * width + width + 2 * width + 2 if next_sentence else 0
        return embeddings + self.num_layers * layer + masked_lm + pooled


def _bert(num_layers: int, hidden_dim: int, learning_rate: float, warmup_steps: int | None = None) -> ModelPreset:
    """Heads of 64 and a feed-forward layer of four times the width, as all of BERT's published sizes have them."""
    return ModelPreset(num_layers, hidden_dim, hidden_dim // 64, 4 * hidden_dim, learning_rate, warmup_steps)


def _roberta(num_layers: int, hidden_dim: int, learning_rate: float, warmup_steps: int | None = None) -> ModelPreset:
    return ModelPreset(num_layers, hidden_dim, hidden_dim // 64, 4 * hidden_dim, learning_rate, warmup_steps, ROBERTA)


# Tiny, mini and small are those of Turc et al. 2019 (arXiv:1908.08962), base and large those of Devlin et al. 2018, which
# trained both at 1e-4, as Liu et al. 2019 did RoBERTa in batches of 256 (table 3); the small ones learn faster at higher
# rates. qarib is BERT-base as trained on Arabic tweets, allegro-roberta the model of the demo on product reviews.
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
}

# The model that a run takes for an objective where none is named: it learns on a laptop in minutes.
SMALLEST = {"bert": "bert-tiny", "roberta": "roberta-tiny"}


def check_model(name: str, objective: str, max_seq_length: int) -> None:
    """Checks that the model ``name`` of `PRESETS` can learn records of ``objective`` with ``max_seq_length`` tokens.

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
    if max_seq_length > preset.max_seq_length:
        raise ConfigError(
            f"the records have {max_seq_length} tokens, and the model {name} takes {preset.max_seq_length} at most; "
            f"make records with max_seq_length {preset.max_seq_length} or less"
        )
