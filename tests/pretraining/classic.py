"""The published algorithms in plain Python, as yardsticks: create_pretraining_data of google-research/bert, n-grams of ALBERT.

Written from their descriptions (Devlin et al. 2018, appendix A; Lan et al. 2019, section 4.1) and their repositories'
documentation; tokens are numbers, sentences and documents lists of them.
"""

import random
from collections.abc import Sequence

Document = Sequence[Sequence[int]]
Pair = tuple[list[int], list[int], bool]


def instances_from_document(
    documents: Sequence[Document], number: int, max_seq_length: int, short_seq_prob: float, rng: random.Random
) -> list[Pair]:
    """The pairs (A, B, B is random) of one document, cut to max_seq_length less the three special tokens."""
    document, most = documents[number], max_seq_length - 3
    target = rng.randint(2, most) if rng.random() < short_seq_prob else most
    pairs: list[Pair] = []
    chunk: list[Sequence[int]] = []
    position = 0
    while position < len(document):
        chunk.append(document[position])
        if position == len(document) - 1 or sum(map(len, chunk)) >= target:
            a_end = rng.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
            a = [token for sentence in chunk[:a_end] for token in sentence]
            is_random = len(chunk) == 1 or rng.random() < 0.5
            if is_random:
                b = _random_tokens(documents, number, target - len(a), rng)
                position -= len(chunk) - a_end
            else:
                b = [token for sentence in chunk[a_end:] for token in sentence]
            _truncate(a, b, most, rng)
            pairs.append((a, b, is_random))
            chunk = []
        position += 1
    return pairs


def _random_tokens(documents: Sequence[Document], number: int, wanted: int, rng: random.Random) -> list[int]:
    for _ in range(10):
        other = rng.randint(0, len(documents) - 1)
        if other != number:
            break
    tokens: list[int] = []
    for sentence in documents[other][rng.randint(0, len(documents[other]) - 1) :]:
        tokens.extend(sentence)
        if len(tokens) >= wanted:
            break
    return tokens


def _truncate(a: list[int], b: list[int], most: int, rng: random.Random) -> None:
    while len(a) + len(b) > most:
        longer = a if len(a) > len(b) else b
        longer.pop(0 if rng.random() < 0.5 else -1)


def masked_places(
    words: Sequence[Sequence[int]],
    length: int,
    max_predictions: int,
    masked_lm_prob: float,
    rng: random.Random,
    max_ngram_size: int = 1,
) -> list[int]:
    """The places to be masked, ascending.

    Args:
        words: the places of each word (of each token, without whole words), none of them special, in order.
        length: of the instance, special tokens counted.
    """
    wanted = min(max_predictions, max(1, round(length * masked_lm_prob)))
    covered: set[int] = set()
    order = list(range(len(words)))
    rng.shuffle(order)
    for start in order:
        if len(covered) >= wanted:
            break
        sizes = range(1, min(max_ngram_size, len(words) - start) + 1)
        size = rng.choices(sizes, [1 / n for n in sizes])[0]
        places = _places(words, start, size)
        while len(covered) + len(places) > wanted and size > 1:
            size -= 1
            places = _places(words, start, size)
        if len(covered) + len(places) <= wanted and not covered & set(places):
            covered.update(places)
    return sorted(covered)


def _places(words: Sequence[Sequence[int]], start: int, size: int) -> list[int]:
    return [place for word in words[start : start + size] for place in word]


def replacement(token: int, mask_id: int, ordinary_ids: Sequence[int], rng: random.Random) -> int:
    """What a masked token becomes; unlike the original, never a special token by chance."""
    if rng.random() < 0.8:
        return mask_id
    return token if rng.random() < 0.5 else rng.choice(ordinary_ids)
