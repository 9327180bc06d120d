"""How far two datasets of conversations are apart: in their lengths, and in the subreddits that they are from."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from threadmill.conversations.statistics import ConversationStatistics


@dataclass(frozen=True)
class Change:
    """One number of two datasets."""

    name: str
    before: float
    now: float

    @property
    def relative(self) -> float:
        """The change as a part of the number before; infinite from 0, 0 where both are."""
        if self.before:
            return self.now / self.before - 1
        return math.inf if self.now else 0.0


def length_changes(before: ConversationStatistics, now: ConversationStatistics) -> Iterator[Change]:
    """Mean, median and 95th percentile of the lengths of contexts and responses (characters), and of turns."""
    for name, one, other in (
        ("context characters", before.context_chars, now.context_chars),
        ("response characters", before.response_chars, now.response_chars),
        ("turns", before.turns, now.turns),
    ):
        yield Change(f"{name}, mean", one.mean, other.mean)
        yield Change(f"{name}, median", one.percentile(0.5), other.percentile(0.5))
        yield Change(f"{name}, 95th percentile", one.percentile(0.95), other.percentile(0.95))


def total_variation(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """The total variation distance of two distributions given as counts: half the sum of all differences of their shares.

    From 0 (equal shares) to 1 (nothing in common); it is the part that would have to move. NaN where one has no counts.
    """
    one, other = sum(first.values()), sum(second.values())
    if not one or not other:
        return math.nan
    return sum(abs(first.get(name, 0) / one - second.get(name, 0) / other) for name in {**first, **second}) / 2


def chance_variation(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """The mean total variation distance over all ways to deal the examples of both out again into two such samples.

    A name's count in the first is then nearly binomial, whose mean absolute deviation de Moivre gave.
    """
    one, other = sum(first.values()), sum(second.values())
    if not one or not other:
        return 0.0
    part = one / (one + other)
    totals = Counter(first.get(name, 0) + second.get(name, 0) for name in {**first, **second})
    deviations = sum(names * _mean_deviation(count, part) for count, names in totals.items() if count)
    return (1 / one + 1 / other) * deviations / 2


def _mean_deviation(count: int, part: float) -> float:
    """The mean absolute deviation of a binomial number of ``count`` draws: 2 (1-p)^(n-m) p^(m+1) (m+1) C(n, m+1), m = floor(np).

    Source: Diaconis and Zabell, Closed form summation for classical distributions, 1991.
    """
    mode = min(math.floor(count * part), count - 1)
    choices = math.lgamma(count + 1) - math.lgamma(mode + 2) - math.lgamma(count - mode)
    powers = (count - mode) * math.log1p(-part) + (mode + 1) * math.log(part)
    return 2 * (mode + 1) * math.exp(choices + powers)
