"""The registry of model sizes, each with its published dimensions and the learning rate that suits it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelPreset:
    """The size of a BERT encoder (Devlin et al. 2018, table of sizes in section 3).

    Attributes:
        num_layers, hidden_dim, num_heads, intermediate_dim: L, H, A and the width of the feed-forward layers.
        learning_rate: the peak rate that a run takes by default.
        architecture: the key of `threadmill.training.model.ARCHITECTURES`.
    """

    num_layers: int
    hidden_dim: int
    num_heads: int
    intermediate_dim: int
    learning_rate: float
    architecture: str = "bert"

    def parameters(self, vocabulary_size: int, max_seq_length: int) -> int:
        """Trainable parameters with both heads: embeddings, encoder, pooler, masked LM (tied) and next sentence."""
        width, inner = self.hidden_dim, self.intermediate_dim
        embeddings = (vocabulary_size + max_seq_length + 2) * width + 2 * width
        layer = 4 * (width * width + width) + (2 * width * inner + inner + width) + 4 * width
        pooler = width * width + width
        masked_lm = width * width + 3 * width + vocabulary_size
        return embeddings + self.num_layers * layer + pooler + masked_lm + 2 * width + 2


# Tiny, mini and small are those of Turc et al. 2019 (arXiv:1908.08962), base and large those of Devlin et al. 2018, which
# trained both at 1e-4; the small ones learn faster at higher rates.
PRESETS = {
    "bert-tiny": ModelPreset(num_layers=2, hidden_dim=128, num_heads=2, intermediate_dim=512, learning_rate=2e-3),
    "bert-mini": ModelPreset(num_layers=4, hidden_dim=256, num_heads=4, intermediate_dim=1024, learning_rate=1e-3),
    "bert-small": ModelPreset(num_layers=4, hidden_dim=512, num_heads=8, intermediate_dim=2048, learning_rate=5e-4),
    "bert-base": ModelPreset(num_layers=12, hidden_dim=768, num_heads=12, intermediate_dim=3072, learning_rate=1e-4),
    "bert-large": ModelPreset(num_layers=24, hidden_dim=1024, num_heads=16, intermediate_dim=4096, learning_rate=1e-4),
}
