"""The settings of pretraining records, one class an objective; light, for the shell and DAG files import it."""

from dataclasses import dataclass, field

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError

_SHORTEST = 5  # [CLS], a token, [SEP], a token, [SEP]
_LONGEST = 1 << 16  # hundreds of records are laid out in memory at a time
_MOST_SHARDS = 99_999
_MOST_SEED = 10**15  # what any reader of JSON keeps whole


@dataclass(frozen=True, kw_only=True)
class RecordsConfig:
    """What the settings of all objectives have in common; a subclass sets the field ``objective``."""

    dupe_factor: int = setting(
        10, "Passes over each training document, each with instances and masks of its own; other splits get one", minimum=1
    )
    random_seed: int = setting(12345, "Seed of instances and masks", minimum=-_MOST_SEED, maximum=_MOST_SEED)
    keep_prefixes: bool = setting(False, "Also make instances from an example whose turns begin a longer one of its thread")
    num_shards: int = setting(
        0, "Files of the train split; 0 for as many as make them about 128 MB each", minimum=0, maximum=_MOST_SHARDS
    )
    compression: str = setting("", "Compress the files: gzip, or nothing", choices=("", "gzip"))
    cased: bool = setting(False, "The vocabulary, a bare vocab.txt that does not say so, is of cased text")
    objective: str = field(default="", init=False)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class BertConfig(RecordsConfig):
    """BERT's masked LM and next-sentence prediction, named as in google-research/bert's create_pretraining_data."""

    max_seq_length: int = setting(128, "Tokens of an instance, with [CLS] and both [SEP]", minimum=_SHORTEST, maximum=_LONGEST)
    max_predictions_per_seq: int = setting(20, "Masked tokens of an instance at most", minimum=1)
    masked_lm_prob: float = setting(0.15, "Share of an instance's tokens that are masked", minimum=0, maximum=1)
    short_seq_prob: float = setting(
        0.1, "Share of documents whose instances aim at a random, shorter length", minimum=0, maximum=1
    )
    do_whole_word_mask: bool = setting(False, "Mask all tokens of a word or none")
    max_ngram_size: int = setting(
        1, "Mask runs of up to so many tokens (of words, with do_whole_word_mask), n of them with a chance of 1/n", minimum=1
    )
    next_sentence: bool = setting(True, "Make pairs of sentences for next-sentence prediction; without, one run of a document")
    feature_names: str = setting(
        "v1",
        "Feature names: v1 of google-research/bert (input_ids), v2 of the Model Garden (input_word_ids)",
        choices=("v1", "v2"),
    )
    objective: str = field(default="bert", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_masking(self.max_seq_length, self.max_predictions_per_seq, self.masked_lm_prob)


@dataclass(frozen=True, kw_only=True)
class RobertaConfig(RecordsConfig):
    """RoBERTa's full sentences (Liu et al. 2019); what masks them is a setting of training, or static here."""

    max_seq_length: int = setting(128, "Tokens of an instance, with the special ones", minimum=3, maximum=_LONGEST)
    max_predictions_per_seq: int = setting(20, "Masked tokens of an instance at most", minimum=1)
    masked_lm_prob: float = setting(0.15, "Share of an instance's tokens that are masked", minimum=0, maximum=1)
    do_whole_word_mask: bool = setting(False, "Mask all tokens of a word or none")
    across_documents: bool = setting(
        True, "Pack sentences across documents, with a separator between them; without, an instance ends with its document"
    )
    static_masking: bool = setting(False, "Mask the records here; without, training masks them anew each time it reads them")
    dupe_factor: int = setting(
        1,
        "Passes over each training document; more than one are of use with static masking, each with masks of its own",
        minimum=1,
    )
    objective: str = field(default="roberta", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_masking(self.max_seq_length, self.max_predictions_per_seq, self.masked_lm_prob)


@dataclass(frozen=True, kw_only=True)
class CausalConfig(RecordsConfig):
    """Causal language modelling: documents end to end, cut into runs."""

    max_seq_length: int = setting(128, "Tokens of a run, separators included", minimum=2, maximum=_LONGEST)
    dupe_factor: int = setting(1, "Passes over each training document, each cut at other places", minimum=1)
    objective: str = field(default="causal", init=False)


@dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig(RecordsConfig):
    """Contexts and responses for sequence-to-sequence models: every turn of a conversation is learned as a response once."""

    max_seq_length: int = setting(128, "Tokens of the context, separators included", minimum=2, maximum=_LONGEST)
    max_target_length: int = setting(
        64, "Tokens of the response, with the special one that begins or ends it", minimum=2, maximum=_LONGEST
    )
    packing: bool = setting(True, "Pack several pairs into a record; without, each has a record of its own")
    length_buckets: int = setting(
        16, "Classes of length by which pairs are packed, the longest first; 1 packs them as they come", minimum=1
    )
    dupe_factor: int = setting(1, "Passes over each training document, each packed in another way", minimum=1)
    keep_prefixes: bool = field(default=True, init=False)
    objective: str = field(default="seq2seq", init=False)


def _check_masking(length: int, predictions: int, masked_lm_prob: float) -> None:
    if predictions > length:
        raise ConfigError(
            f"max_predictions_per_seq is {predictions}, more than max_seq_length {length}; "
            "about max_seq_length x masked_lm_prob is usual (20 for 128)"
        )
    if not masked_lm_prob:
        raise ConfigError("masked_lm_prob is 0, so that there is nothing to learn; 0.15 is usual")


CONFIGS: dict[str, type[RecordsConfig]] = {
    config.objective: config for config in (BertConfig, RobertaConfig, Seq2SeqConfig, CausalConfig)
}
