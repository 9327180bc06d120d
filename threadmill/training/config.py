"""The settings of training, of its checkpoints, and of evaluation."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError
from threadmill.training.models.presets import PRESETS


@dataclass(frozen=True)
class TrainingConfig:
    """What a trained model depends on besides its records. AdamW's betas and epsilon are BERT's: 0.9, 0.999 and 1e-6."""

    model: str = setting("bert-tiny", "Size of the model", choices=tuple(PRESETS))
    steps: int = setting(300, "Updates in all", minimum=1)
    batch_size: int = setting(32, "Sequences an update", minimum=1)
    learning_rate: float = setting(0.0, "Peak learning rate; 0 stands for the model's own", minimum=0, maximum=1e6)
    warmup_steps: int = setting(
        -1,
        "Updates in which the rate rises from 0 to its peak, to fall to 0 by the last; -1 stands for the model's own, or for a "
        "tenth of the steps where it has none or they are not more",
        minimum=-1,
    )
    weight_decay: float = setting(0.01, "AdamW's decay of all weights but biases and layer norms", minimum=0, maximum=1)
    clip_norm: float = setting(1.0, "Gradients are scaled down to this global norm at most", minimum=1e-6)
    dropout: float = setting(0.1, "Dropout of embeddings, attention and feed-forward layers", minimum=0, maximum=0.99)
    unigram_bias: bool = setting(
        True, "Begin with the logarithms of the tokens' frequencies as output bias: the loss starts where it would first fall to"
    )
    seed: int = setting(0, "Seed of initial weights, dropout and the order of records", minimum=0, maximum=2**31 - 1)
    jit_compile: bool = setting(
        False, "Compile the step with XLA: faster on GPU and TPU; on two CPU cores it saves nothing and costs 8 s"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.warmup_steps >= self.steps:
            raise ConfigError(f"warmup_steps is {self.warmup_steps}, with {self.steps} steps in all; set less, such as a tenth")

    @property
    def peak_learning_rate(self) -> float:
        """The peak, with the model's own in place of 0."""
        return self.learning_rate or PRESETS[self.model].learning_rate

    @property
    def warmup(self) -> int:
        """Steps of warm-up, with the model's own or a tenth of the run in place of -1."""
        if self.warmup_steps >= 0:
            return self.warmup_steps
        own = PRESETS[self.model].warmup_steps
        return self.steps // 10 if own is None or own >= self.steps else own


@dataclass(frozen=True)
class CheckpointConfig:
    """When a run saves its state. Nothing of a finished model depends on it."""

    save_every: int = setting(
        0, "Steps between checkpoints; 0 stands for a tenth of the run, 1,000 at most. The last step is always saved", minimum=0
    )
    keep: int = setting(3, "Checkpoints kept, the newest ones", minimum=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def interval(self, steps: int) -> int:
        """Steps between checkpoints in a run of ``steps``."""
        return self.save_every or min(1000, max(1, steps // 10))


@dataclass(frozen=True)
class EvaluationConfig:
    """What an evaluation depends on besides the model and the records."""

    split: str = setting("", "Split to score; empty for validation, or for test where there is none")
    eval_batch_size: int = setting(64, "Sequences scored at a time", minimum=1)
    max_sequences: int = setting(0, "The first so many sequences of the split are scored; 0 for all", minimum=0)

    def __post_init__(self) -> None:
        check_settings(self)
