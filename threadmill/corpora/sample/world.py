"""The sample world: its language, its people and places, and the months of comments that come from them."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample.activity import Activity
from threadmill.corpora.sample.activity_kernels import Society
from threadmill.corpora.sample.columns import Block, Population
from threadmill.corpora.sample.distributions import ENTRIES, exponential, log_normal, weighted
from threadmill.corpora.sample.fields import FIELDS, SORTED_SINCE
from threadmill.corpora.sample.language import Language, load_language
from threadmill.corpora.sample.layout import Layout, Layouts
from threadmill.corpora.sample.months import Month
from threadmill.corpora.sample.pieces import Pieces, PieceTable
from threadmill.corpora.sample.rendering import ROW_LIMIT, render
from threadmill.corpora.sample.submissions import SUBMISSION_FIELDS, submissions_of
from threadmill.randomness import stream_key

Lines = npt.NDArray[np.uint8]

_ACCOUNTS = 60_000
_VARIES = 500  # bytes that a line has beside the fixed ones, or a little more: the first guess for a block's buffer

# Comments a thread: a median of 3.6 and a long tail, as in the reference pipeline's corpus (14.4 on average).
_SIZE_MEDIAN, _SIZE_SIGMA, _SIZE_LIMIT = 3.6, 1.6, 4000
_SIZE_SHARE = 125  # no common thread has more than 1/125 of a month's comments: the mega-thread has 1/50
# Seconds between the first and the last comment of a thread.
_SPAN_MEDIAN, _SPAN_SIGMA, _SPAN_LIMIT = 16 * 3600, 1.4, 20 * 86400
_LAG_MEAN = 2.9


class World:
    """All that the comments of some months depend on, ready to write them.

    Args:
        months: the months that will be written, in order.
        comments: how many comments a month has at most.
        seed: the seed of all that is random.
        submissions: whether the submissions of the threads are told too.
    """

    def __init__(self, months: list[Month], comments: int, seed: int, *, submissions: bool = False) -> None:
        table = PieceTable()
        self._language = load_language(table)
        self._population = Population(self._language, table, _ACCOUNTS)
        kinds = (FIELDS, SUBMISSION_FIELDS) if submissions else (FIELDS,)
        layouts = [Layouts(table, self._language.sections, fields) for fields in kinds]
        self._layouts = {month: [layout.of(month.name) for layout in layouts] for month in months}
        self._pieces: dict[bool, Pieces] = {
            ascii_only: table.pieces(ascii_only=ascii_only) for ascii_only in {_ascii_only(month) for month in months}
        }
        self._seed = seed
        self._activity = Activity(_society(self._language, comments), months[0], seed)

    def begin(self, month: Month, comments: int, block: int) -> None:
        """Lets the world run, so that ``month`` begins with threads under way; ``comments`` is how many the month has."""
        self._activity.warm_up(month.later(-1), comments, block)

    def blocks(self, month: Month, comments: int, block: int) -> Iterator[Callable[[], list[Lines]]]:
        """For each block of a month's comments what writes its lines: a function without arguments, for any thread.

        It gives the comments' lines and then, where submissions are told, theirs.
        """
        for rows in self._activity.month(month, comments, block):
            yield partial(self._all_lines, month, rows)

    def _all_lines(self, month: Month, comments: npt.NDArray[np.int64]) -> list[Lines]:
        of_comments, *of_submissions = self._layouts[month]
        lines = [self._lines(month, of_comments, comments)]
        for layout in of_submissions:
            submissions = submissions_of(comments, month, self._language.grammar.classes, self._seed)
            lines.append(self._lines(month, layout, submissions))
        return lines

    def _lines(self, month: Month, layout: Layout, rows: npt.NDArray[np.int64]) -> Lines:
        block = Block(rows, self._population, month.name, self._seed)
        arguments = (
            layout.ops,
            layout.start,
            block.draw("order", len(layout.start)),
            block.values(layout.columns),
            block.references(),
            rows,
            self._pieces[_ascii_only(month)],
            self._language.grammar,
            self._population.people,
            stream_key(self._seed, "text"),
            np.empty(1, np.uint64),
        )
        size = rows.shape[1] * (layout.fixed_bytes + _VARIES) + ROW_LIMIT
        while True:
            out = np.empty(size, np.uint8)
            written = render(*arguments, out)
            if written >= 0:
                return out[:written]
            size *= 2


def _ascii_only(month: Month) -> bool:
    return month.name < SORTED_SINCE


def _society(language: Language, comments: int) -> Society:
    acts = language.acts
    return Society(
        quantiles=np.stack(
            [
                log_normal(_SIZE_MEDIAN, _SIZE_SIGMA, 1, min(_SIZE_LIMIT, max(30, comments // _SIZE_SHARE))),
                log_normal(_SPAN_MEDIAN, _SPAN_SIGMA, 60, _SPAN_LIMIT),
                exponential(_LAG_MEAN, 1000),
                _popularity(language),
            ]
        ),
        subreddit_topic=np.array([topic for _, topic in language.subreddits], np.int64),
        classes=language.grammar.classes,
        choices=acts.choices,
        traits=acts.traits,
        automoderator=acts.automoderator,
        mod_note=acts.mod_note,
        accounts=_ACCOUNTS,
    )


def _popularity(language: Language) -> npt.NDArray[np.int64]:
    """Subreddits as often as they get a thread: Zipf's law twice, over the topics and over the subreddits of each."""
    ranks: Counter[int] = Counter()
    weights = {}
    for number, (_, topic) in enumerate(language.subreddits):
        weights[number] = 10_000_000 // ((topic + 3) * (ranks[topic] + 1))
        ranks[topic] += 1
    return weighted(weights, ENTRIES)
