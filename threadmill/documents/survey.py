"""A survey of a text corpus: its documents, lines, words and characters by split, and some documents chosen at random."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import nsmallest

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.conversations.statistics import Distribution
from threadmill.datasets.dataset import Dataset
from threadmill.documents.blocks import DocumentBlock, Integers
from threadmill.documents.reading import read_part
from threadmill.documents.sources import CORPUS, Part, open_corpora
from threadmill.engine.ordered import map_in_order
from threadmill.randomness import stream_key

MOST_LINES = 6  # of a chosen document
_LONGEST_LINE = 1_000  # of these, in characters


@dataclass(frozen=True)
class SplitSurvey:
    """What documents are like. Words are what blanks set apart; characters are Unicode code points.

    Attributes:
        line_chars, line_words: lengths of the lines.
        document_lines: lines of the documents.
    """

    line_chars: Distribution
    line_words: Distribution
    document_lines: Distribution

    @property
    def documents(self) -> int:
        """How many there are."""
        return self.document_lines.total

    @property
    def single_line_documents(self) -> int:
        """Those of one line, which have no next sentence."""
        return self.document_lines.counts.get(1, 0)

    @property
    def lines(self) -> int:
        """How many there are."""
        return self.line_chars.total

    @property
    def words(self) -> int:
        """Those of all lines."""
        return _sum(self.line_words)

    @property
    def characters(self) -> int:
        """Those of all lines, without their ends."""
        return _sum(self.line_chars)


@dataclass(frozen=True)
class ChosenDocument:
    """A document to show.

    Attributes:
        number: in its split, from 1.
        lines: how many it has.
        first_lines: some of them, each cut where it is very long.
    """

    split: str
    number: int
    lines: int
    first_lines: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """The splits by name, in the corpus's order, and the chosen documents."""

    splits: Mapping[str, SplitSurvey]
    documents: tuple[ChosenDocument, ...]

    @property
    def total(self) -> SplitSurvey:
        """All splits together."""
        tallies = _Tallies()
        for split in self.splits.values():
            tallies.line_chars.update(split.line_chars.counts)
            tallies.line_words.update(split.line_words.counts)
            tallies.document_lines.update(split.document_lines.counts)
        return tallies.survey()


def survey_corpus(uri: str, documents: int, workers: int = 2) -> Survey:
    """Reads the text corpus at ``uri`` once, in memory bounded by ``workers`` blocks of text.

    Args:
        documents: how many to choose at most, over all splits. Which ones does not depend on where the corpus lies.

    Raises:
        InputError: it is no corpus, or a shard is missing, cut, or no text.
    """
    found = {split: _Tallies() for split in Dataset.open(uri, CORPUS).splits()}
    best: list[_Candidate] = []
    corpora = open_corpora([uri])
    with corpora.unchanged():
        for part in map_in_order(partial(_survey_part, documents=documents), corpora.parts, workers):
            tallies = found[part.split]
            before = tallies.document_lines.total()
            best = _least([*best, *(replace(one, number=one.number + before) for one in part.best)], documents)
            tallies.update(part.tallies)
    chosen = tuple(ChosenDocument(one.split, one.number, one.lines, tuple(one.first_lines)) for one in best)
    return Survey({split: tallies.survey() for split, tallies in found.items()}, chosen)


@dataclass
class _Tallies:
    """How often each length occurs."""

    line_chars: Counter[int] = field(default_factory=Counter)
    line_words: Counter[int] = field(default_factory=Counter)
    document_lines: Counter[int] = field(default_factory=Counter)

    def update(self, other: "_Tallies") -> None:
        self.line_chars.update(other.line_chars)
        self.line_words.update(other.line_words)
        self.document_lines.update(other.document_lines)

    def survey(self) -> SplitSurvey:
        return SplitSurvey(*(Distribution(dict(counts)) for counts in (self.line_chars, self.line_words, self.document_lines)))


@dataclass
class _Candidate:
    """A document that may be chosen: those of the smallest keys are."""

    key: int
    split: str
    number: int
    lines: int = 0
    first_lines: list[str] = field(default_factory=list)

    def add(self, lines: pa.Array) -> None:
        self.lines += len(lines)
        room = MOST_LINES - len(self.first_lines)
        self.first_lines.extend(line.as_py()[:_LONGEST_LINE] for line in lines[:room])


def _least(candidates: Iterable[_Candidate], count: int) -> list[_Candidate]:
    return nsmallest(count, candidates, key=lambda candidate: candidate.key)


def _survey_part(part: Part, documents: int) -> "_PartSurvey":
    survey = _PartSurvey(part, documents)
    for block in read_part(part):
        survey.add(block)
    survey.end()
    return survey


class _PartSurvey:
    """What was read of a part so far; its last document may go on."""

    def __init__(self, part: Part, documents: int) -> None:
        self.split, self.tallies = part.split, _Tallies()
        self.best: list[_Candidate] = []
        self._documents = documents
        # Of NumPy's generators only the raw numbers are the same in every version.
        self._random = np.random.PCG64(int(stream_key("survey", part.name)))
        self._last: _Candidate | None = None  # the last document, if it is a candidate
        self._started = self._held = 0  # documents so far, and lines of the last one

    def add(self, block: DocumentBlock) -> None:
        """Takes the next block of the part."""
        _tally(self.tallies.line_chars, pc.utf8_length(block.lines))
        _tally(self.tallies.line_words, pc.add(pc.count_substring(block.lines, " "), 1))
        sizes = np.diff(block.ends, prepend=0)
        if block.continues:
            sizes[0] += self._held
        else:
            self.end()
        _tally(self.tallies.document_lines, sizes[:-1])
        self._held = int(sizes[-1])
        if block.continues and self._last is not None:
            self._last.add(block.lines[: block.ends[0]])
        self._choose(block)

    def _choose(self, block: DocumentBlock) -> None:
        """Looks at the documents that begin in the block."""
        first = int(block.continues)
        keys = self._random.random_raw(len(block) - first)
        if len(keys):
            self._last = None
        for place in np.argsort(keys, kind="stable")[: self._documents]:
            candidate = _Candidate(int(keys[place]), self.split, self._started + int(place) + 1)
            index = first + int(place)
            candidate.add(block.lines[block.ends[index - 1] if index else 0 : block.ends[index]])
            self.best.append(candidate)
            if index == len(block) - 1:
                self._last = candidate
        self.best = _least(self.best, self._documents)
        self._started += len(keys)

    def end(self) -> None:
        """Ends the last document."""
        if self._held:
            self.tallies.document_lines[self._held] += 1
        self._held, self._last = 0, None


def _tally(counts: Counter[int], values: Integers | pa.Array) -> None:
    numbers, times = np.unique(values, return_counts=True)
    counts.update(dict(zip(numbers.tolist(), times.tolist(), strict=True)))


def _sum(distribution: Distribution) -> int:
    return sum(value * count for value, count in distribution.counts.items())
