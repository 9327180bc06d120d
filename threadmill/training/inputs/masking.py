"""The rules by which training masks tokens as it reads: from the records' settings and their vocabulary. Light to import."""

from dataclasses import dataclass

import msgspec

from threadmill.datasets.dataset import Dataset

MASKING_NAME = "masking.json"

_MASKED_LM_PROB = 0.15  # BERT's, for records whose settings tell none


@dataclass(frozen=True)
class MaskingRules:
    """How `threadmill.training.inputs.dynamic_masking` masks.

    Attributes:
        masked_lm_prob: the share of a sequence's tokens that are masked.
        mask_id: of the token that stands for a masked one.
        special_ids: ascending; these tokens are never masked, and never put in for another.
        whole_words: the tokens of a word are masked together.
        continuations: with whole_words, the ids of the tokens that go on inside a word, ascending.
    """

    masked_lm_prob: float
    mask_id: int
    special_ids: tuple[int, ...]
    whole_words: bool = False
    continuations: tuple[int, ...] = ()


def masking_rules(records: Dataset, vocabulary_uri: str) -> MaskingRules:
    """The rules for ``records`` that were made without masks, with the vocabulary at ``vocabulary_uri``."""
    import numpy as np

    from threadmill.vocab.vocabulary import Vocabulary

    config, vocabulary = records.manifest.config, Vocabulary.load(vocabulary_uri)
    whole_words = bool(config.get("do_whole_word_mask", False))
    return MaskingRules(
        masked_lm_prob=float(config.get("masked_lm_prob", _MASKED_LM_PROB)),
        mask_id=vocabulary.specials.mask,
        special_ids=tuple(vocabulary.special_ids.tolist()),
        whole_words=whole_words,
        continuations=tuple(np.flatnonzero(vocabulary.continuations).tolist()) if whole_words else (),
    )


def encode_rules(rules: MaskingRules) -> bytes:
    """The rules as JSON."""
    return msgspec.json.encode(rules)


def decode_rules(content: bytes) -> MaskingRules:
    """Rules from JSON."""
    return msgspec.json.decode(content, type=MaskingRules)
