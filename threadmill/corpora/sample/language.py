"""The sample world's language, from lexicon.toml and grammar.toml: word classes, templates and acts as tables of numbers."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample.distributions import Table, log_normal, weighted
from threadmill.corpora.sample.pieces import PieceTable

Ints = npt.NDArray[np.int64]

# Kinds of template operations: (kind, argument, flags); of a RANGE: (kind, lowest, highest).
LITERAL, REFERENCE, CLASS, RANGE, USER, CODE, END = range(7)
CAPITAL, ARTICLE = 1, 2

# What a template can refer to: slots of one comment, by place.
REFERENCES = ("a", "b", "x", "t", "p", "px", "subreddit")

# Where an act's adjective comes from, and what it is about.
QUALITIES = ("good", "bad", "same")
FOCUSES = ("same", "pair", "swap", "fresh")

# What a comment is made of, in this order; a short remark stands alone.
SHORT, QUOTE, OPENER, SAY, MORE, ASIDE, CLOSING = range(7)
STEPS = 7

REPLY_ENTRIES = 256  # entries of an act's table of answers

_SLOT = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")
# Word classes of a topic come first; each thing goes with a few members of them.
TOPIC_CLASSES = ("thing", "good", "bad", "do", "part", "where")

# Characters that a comment aims at. Its sentences end a little before or after, and the reference pipeline's rules then find
# examples as often as in real months (0.1975 a comment).
_LENGTH_MEDIAN, _LENGTH_SIGMA, _LENGTH_LIMIT = 82, 1.27, 9000


class Grammar(NamedTuple):
    """What compiled loops need to write a comment.

    Attributes:
        ops: int64[ops, 3], templates as (kind, argument, flags), each ended by END.
        templates: int64[templates], where each begins in ops.
        sections: int64[sections, 2], the first template of each, and how many there are.
        classes: int64[topics, classes, 2], the first piece of each word class, and how many there are.
        steps: int64[acts, STEPS], the section of each step of a comment, or -1.
        lengths: int64[n], quantiles of a comment's length in characters.
    """

    ops: Ints
    templates: Ints
    sections: Ints
    classes: Ints
    steps: Ints
    lengths: Table


class Acts(NamedTuple):
    """How acts follow each other and what they are about.

    Attributes:
        choices: int64[acts + 2, REPLY_ENTRIES], the acts that answer each act, as often as they do; the last two rows have
            the acts of top-level comments, and those of bots that answer anything.
        traits: int64[acts, 4], the place in FOCUSES, that in QUALITIES, the number of the bot that performs the act or -1,
            and whether it is a moderator's.
        automoderator, mod_note: the acts of that name.
    """

    choices: Ints
    traits: Ints
    automoderator: int
    mod_note: int


@dataclass(frozen=True)
class Language:
    """The language as tables.

    Attributes:
        topics: names of topics, in the order of the tables.
        subreddits: (name, topic) of each subreddit; topic -1 takes any.
        classes: names of word classes, in the order of the tables.
        bots: account names of bots.
        names: parts of account names.
        things: text of each piece of the class "thing".
        sections: the number of each section of templates by its name.
    """

    grammar: Grammar
    acts: Acts
    topics: tuple[str, ...]
    subreddits: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    bots: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    things: Mapping[int, str]
    sections: Mapping[str, int]


def load_language(table: PieceTable) -> Language:
    """Reads the two files and adds their words and phrases to ``table``.

    Raises:
        KeyError: a template has a slot, or an act an answer, that is not defined.
    """
    lexicon, text = _read("lexicon.toml"), _read("grammar.toml")
    words = _Words(lexicon, table)
    templates = _Templates(words.classes, table)
    for name, lines in text["sections"].items():
        templates.add_section(name, lines)
    acts = _Acts(text["acts"], templates)
    return Language(
        grammar=Grammar(
            ops=np.array(templates.ops, np.int64),
            templates=np.array(templates.starts, np.int64),
            sections=np.array(templates.bounds, np.int64),
            classes=words.spans,
            steps=acts.steps,
            lengths=log_normal(_LENGTH_MEDIAN, _LENGTH_SIGMA, 1, _LENGTH_LIMIT),
        ),
        acts=acts.tables(),
        topics=tuple(lexicon["topics"]),
        subreddits=_subreddits(lexicon),
        classes=words.classes,
        bots=acts.bots,
        names={part: tuple(_items(names)) for part, names in lexicon["names"].items()},
        things=words.things,
        sections=templates.sections,
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("threadmill.corpora.sample").joinpath(name).read_text(encoding="utf-8"))


def _items(text: str) -> list[str]:
    return text.split(", ")


def _subreddits(lexicon: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Popular first: those about everything, then a round through the topics, the first of each before the second."""
    by_topic = [_items(topic["subreddits"]) for topic in lexicon["topics"].values()]
    ranked = [(name, -1) for name in _items(lexicon["general"]["everywhere"])]
    for rank in range(max(map(len, by_topic))):
        ranked += [(names[rank], topic) for topic, names in enumerate(by_topic) if rank < len(names)]
    return tuple(ranked)


class _Words:
    """Word classes as spans of pieces; general classes are the same in every topic."""

    def __init__(self, lexicon: Mapping[str, Any], table: PieceTable) -> None:
        general = {name: words for name, words in lexicon["general"].items() if name != "everywhere"}
        topics = list(lexicon["topics"].values())
        self.classes = (*TOPIC_CLASSES, *general)
        self.spans = np.zeros((len(topics), len(self.classes), 2), np.int64)
        self.things: dict[int, str] = {}
        for column, name in enumerate(self.classes):
            sources = [general[name]] if name in general else [topic[name] for topic in topics]
            for row, source in enumerate(sources):
                words = _items(source)
                pieces = [table.add_text(word) for word in words]
                rows = slice(None) if name in general else row
                self.spans[rows, column] = pieces[0], len(pieces)
                if name == "thing":
                    self.things.update(zip(pieces, words, strict=True))


class _Templates:
    """Templates, cut into operations, and the sections they are in."""

    def __init__(self, classes: Sequence[str], table: PieceTable) -> None:
        self._classes = {name: index for index, name in enumerate(classes)}
        self._table = table
        self._literals: dict[str, int] = {}
        self.ops: list[tuple[int, int, int]] = []
        self.starts: list[int] = []
        self.bounds: list[tuple[int, int]] = []
        self.sections: dict[str, int] = {}

    def add_section(self, name: str, lines: Sequence[str]) -> int:
        """The number of a new section with these templates."""
        self.bounds.append((len(self.starts), len(lines)))
        for line in lines:
            self.starts.append(len(self.ops))
            self.ops += [self._op(text, place % 2 == 1) for place, text in enumerate(_SLOT.split(line)) if text]
            self.ops.append((END, 0, 0))
        self.sections[name] = len(self.bounds) - 1
        return self.sections[name]

    def _op(self, text: str, is_slot: bool) -> tuple[int, int, int]:
        if is_slot:
            return self._slot(text)
        if text not in self._literals:
            self._literals[text] = self._table.add_text(text)
        return LITERAL, self._literals[text], 0

    def _slot(self, text: str) -> tuple[int, int, int]:
        flags = CAPITAL if text[0].isupper() else 0
        name = text.lower()
        if name.startswith("an "):
            flags |= ARTICLE
            name = name.removeprefix("an ")
        if name in REFERENCES:
            return REFERENCE, REFERENCES.index(name), flags
        if name in ("user", "code"):
            return (USER if name == "user" else CODE), 0, flags
        if bounds := _RANGE.fullmatch(name):
            return RANGE, int(bounds[1]), int(bounds[2])
        return CLASS, self._classes[name], flags


class _Acts:
    """Acts in the order of the file, with their sections added to the templates."""

    def __init__(self, acts: Mapping[str, Any], templates: _Templates) -> None:
        self._acts = acts
        self._number = {name: number for number, name in enumerate(acts)}
        self.bots = tuple(dict.fromkeys(act["author"] for act in acts.values() if "author" in act))
        self.steps = np.array([self._steps(name, templates) for name in acts], np.int64)

    def tables(self) -> Acts:
        """The acts as tables."""
        every = self._acts.values()
        return Acts(
            choices=np.stack([*(self._replies(act["replies"]) for act in every), self._weighted("start"), self._weighted("bot")]),
            traits=np.array([self._traits(act) for act in every], np.int64),
            automoderator=self._number["automoderator"],
            mod_note=self._number["mod_note"],
        )

    def _steps(self, name: str, templates: _Templates) -> tuple[int, ...]:
        act, common = self._acts[name], templates.sections
        say = templates.add_section(f"{name}.say", act["say"])
        short = templates.add_section(f"{name}.short", act["short"]) if "short" in act else -1
        more = common[act["more"]] if "more" in act else -1
        return short, common["quote"], common["opener"], say, more, common["aside"], common["closing"]

    def _traits(self, act: Mapping[str, Any]) -> tuple[int, int, int, int]:
        bot = self.bots.index(act["author"]) if "author" in act else -1
        return FOCUSES.index(act["focus"]), QUALITIES.index(act["quality"]), bot, int(act.get("moderator", False))

    def _weighted(self, key: str) -> Table:
        return weighted({self._number[name]: act[key] for name, act in self._acts.items() if key in act}, REPLY_ENTRIES)

    def _replies(self, weights: Mapping[str, int]) -> Table:
        return weighted({self._number[name]: weight for name, weight in weights.items()}, REPLY_ENTRIES)
