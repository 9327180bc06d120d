"""The months of the sample world: their names, and the times and ids of their comments."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample.draws import draw
from threadmill.errors import ConfigError

Ints = npt.NDArray[np.int64]

FIRST = "2005-12"  # the first month of the real dumps
LAST = "9999-12"

MONTH_IDS = 1 << 28  # ids set aside for a month; the most comments that it can have
_FIRST_ID = int("c00000", 36)
_ID_GAP = 4

# Comments an hour of the day (UTC), as shares: the nights of America are quiet.
_HOURS = np.array([50, 48, 47, 45, 42, 37, 32, 27, 23, 21, 21, 23, 28, 34, 41, 46, 49, 50, 51, 52, 52, 52, 52, 51], np.int64)
_HOUR_STARTS = np.concatenate([[0], np.cumsum(_HOURS)]) * 3600
_DAY = int(_HOUR_STARTS[-1])


@dataclass(frozen=True)
class Month:
    """A month, by its number since 2005-12 (which is 0)."""

    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """The month that ``text`` (YYYY-MM) names.

        Raises:
            ConfigError: another format, or a month before the first dump.
        """
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) or text < FIRST:
            raise ConfigError(f"start {text!r} is no month of the dumps; give one as YYYY-MM, from {FIRST} on, such as 2006-01")
        year, month = map(int, text.split("-"))
        return cls((year - 2005) * 12 + month - 12)

    @property
    def name(self) -> str:
        """The month as YYYY-MM."""
        return f"{self._year:04d}-{self._month:02d}"

    def later(self, months: int) -> "Month":
        """The month so many months on."""
        return Month(self.number + months)

    def ids(self, places: Ints, comments: int, seed: int) -> Ints:
        """Ids of the comments at ``places`` (0 to ``comments`` - 1): they grow with the place, and from month to month."""
        gap = min(_ID_GAP, MONTH_IDS // comments)
        first = _FIRST_ID + self.number * MONTH_IDS
        return first + places * gap + draw(first + places, seed, "id", gap)

    def seconds(self, places: Ints, comments: int, seed: int) -> Ints:
        """Times of the comments at ``places``, in seconds since 1970, in their order; days are busier than nights."""
        days = calendar.monthrange(self._year, self._month)[1]
        jitter = draw(places + self.number * MONTH_IDS, seed, "second", 1 << 20) / float(1 << 20)
        day, rest = np.divmod(((places + jitter) / comments * (days * _DAY)).astype(np.int64), _DAY)
        hour = np.searchsorted(_HOUR_STARTS, rest, side="right") - 1
        second = (rest - _HOUR_STARTS[hour]) // _HOURS[hour]
        seconds: Ints = self.first_second + np.minimum(day * 86400 + hour * 3600 + second, days * 86400 - 1)
        return seconds

    @property
    def first_second(self) -> int:
        """When the month begins, in seconds since 1970."""
        return int(datetime(self._year, self._month, 1, tzinfo=UTC).timestamp())

    @property
    def _year(self) -> int:
        return 2005 + (self.number + 11) // 12

    @property
    def _month(self) -> int:
        return (self.number + 11) % 12 + 1
