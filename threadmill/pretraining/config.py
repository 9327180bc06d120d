"""The settings of pretraining records, one class an objective."""

from dataclasses import dataclass, field

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError

_SHORTEST = 5  # [CLS], a token, [SEP], a token, [SEP]


@dataclass(frozen=True)
class BertConfig:
    """BERT's masked LM and next-sentence prediction, named as in google-research/bert's create_pretraining_data."""

    max_seq_length: int = setting(128, "Tokens of an instance, with [CLS] and both [SEP]", minimum=_SHORTEST)
    max_predictions_per_seq: int = setting(20, "Masked tokens of an instance at most", minimum=1)
    masked_lm_prob: float = setting(0.15, "Share of an instance's tokens that are masked", minimum=0, maximum=1)
    short_seq_prob: float = setting(
        0.1, "Share of documents whose instances aim at a random, shorter length", minimum=0, maximum=1
    )
    dupe_factor: int = setting(
        10, "Passes over each training document, each with pairs and masks of its own; other splits get one", minimum=1
    )
    random_seed: int = setting(12345, "Seed of pairs and masks")
    keep_prefixes: bool = setting(False, "Also make instances from an example whose turns begin a longer one of its thread")
    objective: str = field(default="bert", init=False)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.max_predictions_per_seq > self.max_seq_length:
            raise ConfigError(
                f"max_predictions_per_seq is {self.max_predictions_per_seq}, more than max_seq_length {self.max_seq_length}; "
                "about max_seq_length x masked_lm_prob is usual (20 for 128)"
            )
        if not self.masked_lm_prob:
            raise ConfigError("masked_lm_prob is 0, so that there is nothing to learn; 0.15 is usual")
