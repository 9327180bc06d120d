"""The settings of training, of its checkpoints, and of evaluation."""

from dataclasses import dataclass, replace

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError
from threadmill.training.models.presets import DIMENSIONS, PRESETS, SMALLEST, ModelPreset

BACKENDS = ("tensorflow", "jax")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What a trained model depends on besides its records. AdamW's betas and epsilon are BERT's: 0.9, 0.999 and 1e-6."""

    model: str = setting("", "Size of the model; empty for the tiny one that learns the records", choices=("", *PRESETS))
    num_layers: int = setting(0, "Layers (of an encoder-decoder: of the decoder); 0 for the model's own", minimum=0)
    encoder_layers: int = setting(0, "Layers of an encoder-decoder's encoder; 0 for the model's own", minimum=0)
    hidden_dim: int = setting(0, "Width of the layers; 0 for the model's own", minimum=0)
    num_heads: int = setting(0, "Attention heads, which share the width evenly; 0 for the model's own", minimum=0)
    intermediate_dim: int = setting(
        0, "Width of the feed-forward layers; 0 for the model's own, or for four times a hidden_dim that is set", minimum=0
    )
    steps: int = setting(300, "Updates in all", minimum=1)
    batch_size: int = setting(32, "Sequences an update", minimum=1)
    gradient_accumulation: int = setting(
        1, "Parts that a batch is taken in, one after the other: as many times less memory, the same update", minimum=1
    )
    optimizer: str = setting("adamw", "AdamW, or LAMB for batches of thousands", choices=("adamw", "lamb"))
    learning_rate: float = setting(0.0, "Peak learning rate; 0 stands for the model's own", minimum=0, maximum=1e6)
    schedule: str = setting("linear", "How the rate falls to 0 after its peak", choices=("linear", "cosine"))
    warmup_steps: int = setting(
        -1,
        "Updates in which the rate rises from 0 to its peak, to fall to 0 by the last; -1 stands for the model's own, or for a "
        "tenth of the steps where it has none or they are not more",
        minimum=-1,
    )
    weight_decay: float = setting(0.01, "Decay of all weights but biases and layer norms", minimum=0, maximum=1)
    clip_norm: float = setting(1.0, "Gradients are scaled down to this global norm at most", minimum=1e-6)
    dropout: float = setting(0.1, "Dropout of embeddings, attention and feed-forward layers", minimum=0, maximum=0.99)
    unigram_bias: bool = setting(
        True,
        "Masked LM begins with the logarithms of the tokens' frequencies as output bias: the loss starts where it would first "
        "fall to",
    )
    seed: int = setting(0, "Seed of initial weights, dropout and the order of records", minimum=0, maximum=2**31 - 1)
    init_from: str = setting(
        "", "Begin with the weights of this model or checkpoint, of the same vocabulary; the optimizer begins anew"
    )
    validation_sequences: int = setting(
        1000, "Sequences of the validation split that are scored on the way; 0 for no validation", minimum=0
    )
    validate_every: int = setting(0, "Steps between validations; 0 for a tenth of the run", minimum=0)
    use_best: bool = setting(False, "Take the weights of the best validation for the finished model, not the last step's")
    max_loss_rise: float = setting(
        2.0,
        "Stop as diverged where the mean loss of 100 steps is so many nats above the lowest before; 0 for never",
        minimum=0,
        maximum=1e6,
    )
    backend: str = setting("tensorflow", "Library that computes", choices=BACKENDS)
    precision: str = setting(
        "float32", "Numbers of the computation; bfloat16 keeps float32 weights (mixed precision)", choices=("float32", "bfloat16")
    )
    distribution: str = setting(
        "auto",
        "Devices of this machine: one; data, each with a share of the batch; model, each with a share of the weights; auto for "
        "data where there are several accelerators, and one otherwise",
        choices=("auto", "one", "data", "model"),
    )
    model_parallel: int = setting(0, "With distribution model (JAX): devices that share one copy; 0 for all", minimum=0)
    steps_per_execution: int = setting(1, "Steps a call of the device; more than one spare a fast device the waiting", minimum=1)
    jit_compile: str = setting(
        "auto",
        "Compile TensorFlow's step with XLA, as JAX's always is: faster on GPU and TPU; on two CPU cores it saves nothing and "
        "costs 8 s; auto for accelerators only",
        choices=("auto", "on", "off"),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.warmup_steps >= self.steps:
            raise ConfigError(f"warmup_steps is {self.warmup_steps}, with {self.steps} steps in all; set less, such as a tenth")
        if self.batch_size % self.gradient_accumulation:
            raise ConfigError(
                f"batch_size is {self.batch_size}, which {self.gradient_accumulation} parts (gradient_accumulation) do not "
                "share evenly; set a multiple"
            )
        if self.distribution == "model" and self.backend != "jax":
            raise ConfigError(
                "distribution is model, which shares weights on JAX only; set backend to jax, or distribution to data"
            )

    def resolved(self, objective: str) -> "TrainingConfig":
        """The config with the model of ``objective`` in place of an empty one.

        Raises:
            ConfigError: the model cannot have the sizes that are set.
        """
        config = replace(self, model=self.model or SMALLEST[objective])
        _ = config.preset  # which checks the sizes
        return config

    @property
    def preset(self) -> ModelPreset:
        """The model's dimensions, with those that are set in place of its own."""
        return PRESETS[self.model].resized(**{name: getattr(self, name) for name in DIMENSIONS})

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

    @property
    def validation_interval(self) -> int:
        """Steps between validations, with a tenth of the run in place of 0."""
        return self.validate_every or max(1, self.steps // 10)


@dataclass(frozen=True)
class CheckpointConfig:
    """When a run saves its state, and where. Nothing of a finished model depends on it."""

    save_every: int = setting(
        0, "Steps between checkpoints; 0 stands for a tenth of the run, 1,000 at most. The last step is always saved", minimum=0
    )
    save_minutes: float = setting(
        30.0, "Minutes after which a checkpoint is saved whatever the step; 0 for never", minimum=0, maximum=1e6
    )
    keep: int = setting(3, "Checkpoints kept, the newest ones; the best by validation is kept besides", minimum=1)
    checkpoints: str = setting("", "Folder or bucket (gs://...) of the checkpoints; empty for checkpoints/ in the model's folder")

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
    ranking_candidates: int = setting(
        100, "Responses, the right one among them, that a conversational model ranks for each context", minimum=2
    )
    ranking_contexts: int = setting(200, "Contexts for which responses are ranked, at most; 0 for no ranking", minimum=0)

    def __post_init__(self) -> None:
        check_settings(self)
