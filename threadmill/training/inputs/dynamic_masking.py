"""Dynamic masking (Liu et al. 2019, section 4.1): batches are masked as they are read, with other masks in each epoch.

The random numbers are stateless, keyed by the seed and the batch's place, so that a run that was stopped sees the masks
that it would have seen. The rules are BERT's (google-research/bert, create_pretraining_data).
"""

from typing import Any

import numpy as np
import tensorflow as tf

from threadmill.errors import ConfigError
from threadmill.training.inputs.masking import MaskingRules
from threadmill.training.inputs.records import RecordFormat

_STREAM = 1 << 32  # above all seeds: these numbers are not those that shuffle files and records
_RANGE = 1 << 31
_MASKED, _KEPT = int(0.8 * _RANGE), int(0.9 * _RANGE)


class DynamicMasking:
    """Masks batches of records that hold no masks.

    Args:
        rules: whom to mask, and by what.
        vocabulary_size: V.
        records: what they hold; S and P are its lengths.
        seed: other seeds give other masks.

    Raises:
        ConfigError: the records hold masks already.
    """

    def __init__(self, rules: MaskingRules, vocabulary_size: int, records: RecordFormat, seed: int) -> None:
        if records.static_masks:
            raise ConfigError(
                "dynamic masking is for records without masks, and these were masked when they were made (their feature "
                "masked_lm_positions); train on them as they are, or make records without static masks"
            )
        self._rules, self._seed = rules, seed
        self._length, self._predictions = records.max_seq_length, records.max_predictions_per_seq
        ordinary = np.ones(vocabulary_size, np.bool_)
        ordinary[list(rules.special_ids)] = False
        self._ordinary = ordinary
        self._continues = np.zeros(vocabulary_size, np.bool_)
        self._continues[list(rules.continuations)] = True

    def draws(self, rows: int, place: Any) -> Any:
        """The random numbers for ``rows`` sequences: int32[rows, S + 2 P], from 0 to 2^31 - 1.

        Args:
            place: int64[], of the batch among all; equal places give equal numbers.
        """
        key = tf.stack([tf.constant(_STREAM + self._seed, tf.int64), place])
        shape = [rows, self._length + 2 * self._predictions]
        bits = tf.random.stateless_uniform(shape, key, minval=None, maxval=None, dtype=tf.int32, alg="philox")
        return tf.bitwise.bitwise_and(bits, _RANGE - 1)

    def mask(self, token_ids: Any, padding_mask: Any, draws: Any) -> dict[str, Any]:
        """Masks max(1, round(length x masked_lm_prob)) tokens of each sequence, halves to the even number, P at most.

        The length counts special tokens, which are never masked. Of the chosen tokens 80 % become the mask token, 10 %
        stay, 10 % become any token but a special one. With whole words, words are taken in random order, and one that
        has more tokens than are still wanted is passed over.

        Args:
            token_ids, padding_mask: int32[B, S].
            draws: int32[B, S + 2 P], see `draws`.

        Returns:
            ``token_ids`` int32[B, S], masked; ``mask_positions`` int32[B, P], ascending, ``masked_lm_ids`` int32[B, P], the
            tokens that stood there, and ``masked_lm_weights`` float32[B, P], all 0 where there is no masked token.
        """
        order, kind, substitute = tf.split(draws, [self._length, self._predictions, self._predictions], axis=1)
        candidates = (padding_mask > 0) & tf.gather(self._ordinary, token_ids)
        wanted = self._wanted(tf.reduce_sum(padding_mask, axis=1))
        choose = self._whole_words if self._rules.whole_words else self._tokens
        slots = choose(token_ids, candidates, order, wanted)
        masked = slots > 0
        places = tf.where(masked, self._length - slots, -slots - 1)
        labels = tf.gather(token_ids, places, batch_dims=1)
        shown = tf.where(masked, self._shown(labels, kind, substitute), labels)
        rows = tf.range(tf.shape(token_ids)[0])[:, None] * self._length
        flat = tf.tensor_scatter_nd_update(
            tf.reshape(token_ids, [-1]), tf.reshape(places + rows, [-1, 1]), tf.reshape(shown, [-1])
        )
        return {
            "token_ids": tf.reshape(flat, tf.shape(token_ids)),
            "mask_positions": tf.where(masked, places, 0),
            "masked_lm_ids": tf.where(masked, labels, 0),
            "masked_lm_weights": tf.cast(masked, tf.float32),
        }

    def _wanted(self, lengths: Any) -> Any:
        """int32[B]: tokens to mask. In float64, as Python rounds; TensorFlow's round, too, takes halves to the even number."""
        rounded = tf.round(tf.cast(lengths, tf.float64) * tf.constant(self._rules.masked_lm_prob, tf.float64))
        return tf.cast(tf.clip_by_value(rounded, 1, self._predictions), tf.int32)

    def _slots(self, chosen: Any, places: Any) -> Any:
        """int32[B, P]: P of ``places``, those ``chosen`` first and ascending, as S - place; then others, as -1 - place.

        The places of all slots differ, so that something can be written to each.
        """
        slots, _ = tf.math.top_k(tf.where(chosen, self._length - places, -1 - places), self._predictions)
        return slots

    def _tokens(self, _token_ids: Any, candidates: Any, order: Any, wanted: Any) -> Any:
        """The slots (see `_slots`) of the ``wanted`` candidates that come first in a random order, or of all."""
        highest, places = tf.math.top_k(tf.where(candidates, order, -1), self._predictions)
        return self._slots((highest >= 0) & (tf.range(self._predictions) < wanted[:, None]), places)

    def _whole_words(self, token_ids: Any, candidates: Any, order: Any, wanted: Any) -> Any:
        """The slots (see `_slots`) of the tokens of words taken in a random order as long as they fit."""
        before = tf.pad(candidates[:, :-1], [[0, 0], [1, 0]])
        starts = candidates & ~(before & tf.gather(self._continues, token_ids))
        word = tf.maximum(tf.cumsum(tf.cast(starts, tf.int32), axis=1) - 1, 0)  # the number of each candidate's word
        # The tokens of a word sort together: all have the number drawn for it, and in the low bits the word's own.
        low = (1 << self._length.bit_length()) - 1
        keys = tf.bitwise.bitwise_and(tf.gather(order, word, batch_dims=1), _RANGE - 1 - low) + word
        keys, places = tf.math.top_k(tf.where(candidates, keys, -1), self._length)
        ones = tf.cast(candidates, tf.int32)
        lengths = tf.math.bincount(word, weights=ones, minlength=self._length, maxlength=self._length, axis=-1)
        length = tf.gather(lengths, tf.gather(word, places, batch_dims=1), batch_dims=1)
        first = keys != tf.pad(keys[:, :-1], [[0, 0], [1, 0]], constant_values=-2)
        return self._slots(self._fitting(keys >= 0, first, length, wanted), places)

    def _fitting(self, left: Any, first: Any, length: Any, wanted: Any) -> Any:
        """Takes words in their order while they fit, passing over those that do not; the arrays tell it token by token.

        Each round takes as many words as fit from the first one on, and drops those too long for what is then left.
        """

        def some_left(_taken: Any, left: Any, _budget: Any) -> Any:
            return tf.reduce_any(left)

        def one_round(taken: Any, left: Any, budget: Any) -> tuple[Any, Any, Any]:
            left &= length <= budget[:, None]
            ends = tf.cumsum(tf.where(left & first, length, 0), axis=1)
            fit = left & (ends <= budget[:, None])
            budget -= tf.reduce_sum(tf.cast(fit, tf.int32), axis=1)
            return taken | fit, left & ~fit & (length <= budget[:, None]), budget

        taken, _, _ = tf.while_loop(some_left, one_round, (tf.zeros_like(left), left, wanted))
        return taken

    def _shown(self, labels: Any, kind: Any, substitute: Any) -> Any:
        """int32[B, P]: what the model sees in place of the chosen tokens."""
        ordinary_ids = np.flatnonzero(self._ordinary).astype(np.int32)
        random = tf.gather(ordinary_ids, substitute % len(ordinary_ids))
        return tf.where(kind < _MASKED, self._rules.mask_id, tf.where(kind < _KEPT, labels, random))
