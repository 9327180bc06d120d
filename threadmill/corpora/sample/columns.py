"""What varies from line to line: for a block of comments, each column as numbers or pieces."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample import activity_kernels as activity
from threadmill.corpora.sample.distributions import Table, pareto
from threadmill.corpora.sample.draws import draw
from threadmill.corpora.sample.fields import FLOAT_EDITED_SINCE, REMOVED_BY_REDDIT_SINCE
from threadmill.corpora.sample.language import Language
from threadmill.corpora.sample.pieces import PieceTable
from threadmill.corpora.sample.rendering import FALSE, NULL

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DAY = 86400
_COLLAPSED_UNDER = -4  # the score under which a comment was folded away
_LOWEST_SCORE, _HIGHEST_SCORE = -500, 8000


class Phrases(NamedTuple):
    """Numbers of the pieces that columns choose from."""

    nothing: int
    null: int
    false: int
    true: int
    quote: int
    point_zero: int
    comment_kind: int
    thread_kind: int
    moderator: int
    low_score: int
    deleted: int
    removed: int
    removed_by_reddit: int
    deleted_by_user: int
    removal_deleted: int
    removal_removed: int
    deleted_later: int

    @classmethod
    def add_to(cls, table: PieceTable) -> "Phrases":
        """The phrases, added to ``table``."""
        return cls(
            nothing=table.add_json(""),
            null=table.add_json("null"),
            false=table.add_json("false"),
            true=table.add_json("true"),
            quote=table.add_json('"'),
            point_zero=table.add_json(".0"),
            comment_kind=table.add_json("t1_"),
            thread_kind=table.add_json("t3_"),
            moderator=table.add_json('"moderator"'),
            low_score=table.add_json('"comment score below threshold"'),
            deleted=table.add_json("[deleted]"),
            removed=table.add_json("[removed]"),
            removed_by_reddit=table.add_json("[ Removed by Reddit ]"),
            deleted_by_user=table.add_json("[deleted by user]"),
            removal_deleted=table.add_json('"removal_type":"deleted",'),
            removal_removed=table.add_json('"removal_type":"removed",'),
            deleted_later=table.add_json(',"was_deleted_later":true'),
        )


class Population:
    """Accounts, subreddits and what else is counted by number, as pieces that follow each other.

    Attributes:
        phrases: the phrases.
        accounts: the piece of account 0.
        people: int64[2], the first piece of a person's name, and how many there are.
        subreddits: the piece of subreddit 0.
        slugs: the piece of the first thing's name as in a permalink; things are pieces that follow each other.
        first_thing: the piece of the first thing.
        scores: int64[n], quantiles of scores.
    """

    def __init__(self, language: Language, table: PieceTable, accounts: int) -> None:
        moderators = activity.FIRST_MODERATOR + len(language.subreddits)
        self.phrases = Phrases.add_to(table)
        self.accounts = len(table)
        for number in range(activity.FIRST_MODERATOR):
            table.add_json(language.bots[number] if number < len(language.bots) else f"bot_{number}")
        for name, _ in language.subreddits:
            table.add_json(f"mod_{name.replace('.', '_')}")
        for number in range(accounts):
            table.add_json(_account_name(number, language))
        self.people = np.array([self.accounts + moderators, accounts], np.int64)
        self.subreddits = len(table)
        for name, _ in language.subreddits:
            table.add_json(name)
        self.first_thing = min(language.things)
        self.slugs = len(table)
        for _, name in sorted(language.things.items()):
            table.add_json(_slug(name))
        self.scores: Table = pareto(0.9, _HIGHEST_SCORE)


def _account_name(number: int, language: Language) -> str:
    if number % 10 == 0:
        short = language.names["short"]
        return f"{short[number // 10 % len(short)]}{number // 10}"
    first, second = language.names["first"], language.names["second"]
    rest, place = divmod(number, len(first))
    rest, other = divmod(rest, len(second))
    suffix = str(rest) if rest else ""
    return f"{first[place]}{'_' if number % 3 else ''}{second[other]}{suffix}"


def _slug(name: str) -> str:
    """As reddit does it: what isn't ASCII is left out."""
    kept = "".join(letter if letter.isalnum() else "_" for letter in name.lower() if letter.isascii())
    return f"about_{kept}"


@dataclass(frozen=True)
class Block:
    """A block of comments and what its columns depend on.

    Attributes:
        comments: int64[COLUMNS, n] (activity_kernels).
        population: the pieces.
        month: YYYY-MM.
        seed: the world's seed.
    """

    comments: Ints
    population: Population
    month: str
    seed: int

    @property
    def phrases(self) -> Phrases:
        """The phrases."""
        return self.population.phrases

    def of(self, column: int) -> Ints:
        """int64[n]: a column of the comments, by its number in activity_kernels."""
        values: Ints = self.comments[column]
        return values

    def draw(self, purpose: str, bound: int) -> Ints:
        """int64[n] in [0, ``bound``), one for each comment."""
        return draw(self.of(activity.ID), self.seed, purpose, bound)

    def permille(self, purpose: str, share: int) -> Bools:
        """bool[n], true for ``share`` comments in a thousand."""
        return self.draw(purpose, 1000) < share

    def values(self, names: tuple[str, ...]) -> Ints:
        """int64[columns, n] of the columns with these names."""
        return np.stack([np.asarray(COLUMNS[name](self), np.int64) for name in names])

    def references(self) -> Ints:
        """int64[7, n]: the pieces of language.REFERENCES."""
        subject, adjective = self.of(activity.A), self.of(activity.X)
        answered, called = self.of(activity.PARENT_A), self.of(activity.PARENT_X)
        return np.stack(
            [
                subject,
                self.of(activity.B),
                adjective,
                self.of(activity.THING),
                np.where(answered < 0, subject, answered),
                np.where(called < 0, adjective, called),
                self.population.subreddits + self.of(activity.SUBREDDIT),
            ]
        )


def _author(block: Block) -> Ints:
    author = block.of(activity.AUTHOR)
    return np.where(author < 0, block.phrases.deleted, block.population.accounts + author)


def _parent(block: Block) -> Ints:
    parent = block.of(activity.PARENT)
    return np.where(parent < 0, block.of(activity.LINK), parent)


def _removal_text(block: Block) -> Ints:
    removal = block.of(activity.REMOVAL)
    text: Ints = np.array([block.phrases.nothing, block.phrases.deleted, block.phrases.removed], np.int64)[removal]
    if block.month < REMOVED_BY_REDDIT_SINCE:
        return text
    by_reddit = (removal == activity.REMOVED) & block.permille("removed by reddit", 20)
    return np.where(by_reddit, block.phrases.removed_by_reddit, text)


def _score(block: Block) -> Ints:
    scores = block.population.scores
    score: Ints = scores[block.draw("score", len(scores))] - 3 * block.permille("downvoted", 80)
    return np.maximum(score * np.where(block.permille("hated", 20), -1, 1), _LOWEST_SCORE)


def _moderator(block: Block) -> Bools:
    """bool[n]: AutoModerator, and the moderators of subreddits."""
    author = block.of(activity.AUTHOR) - activity.FIRST_MODERATOR
    subreddit = block.of(activity.SUBREDDIT)
    moderates: Bools = (author == subreddit) | (author == -activity.FIRST_MODERATOR)
    return moderates


def _stickied(block: Block) -> Bools:
    stickied: Bools = _moderator(block) & (block.of(activity.DEPTH) == 0)
    return stickied


def _edited(block: Block) -> Ints:
    later = block.of(activity.UTC) + 60 + block.draw("edited after", 7200)
    return np.where(block.permille("edited", 30), later, FALSE)


def _edited_fraction(block: Block) -> Ints:
    whole = (_edited(block) == FALSE) | (block.month < FLOAT_EDITED_SINCE)
    return np.where(whole, block.phrases.nothing, block.phrases.point_zero)


def _retrieved(block: Block) -> Ints:
    return block.of(activity.UTC) + 30 * _DAY + block.draw("retrieved", _DAY)


def _deleted_later(block: Block) -> Bools:
    deleted: Bools = (block.of(activity.REMOVAL) == activity.KEPT) & block.permille("deleted later", 30)
    return deleted


def _removal_type(block: Block) -> Ints:
    phrases = block.phrases
    types = np.array([phrases.nothing, phrases.removal_deleted, phrases.removal_removed], np.int64)
    return np.where(_deleted_later(block), phrases.removal_deleted, types[block.of(activity.REMOVAL)])


def _with_flair(block: Block) -> Bools:
    flaired: Bools = block.permille("flair", 150) & (block.of(activity.AUTHOR) >= 0)
    return flaired


def _choice(condition: Callable[[Block], Bools], yes: str, no: str) -> Callable[[Block], Ints]:
    """A column of one phrase or another."""
    return lambda block: np.where(condition(block), getattr(block.phrases, yes), getattr(block.phrases, no))


def _is_submitter(block: Block) -> Bools:
    own: Bools = block.of(activity.AUTHOR) == block.of(activity.SUBMITTER)
    return own


def _collapsed(block: Block) -> Bools:
    return _score(block) < _COLLAPSED_UNDER


def _self_post(block: Block) -> Bools:
    return block.permille("self post", 600)


def _has_title(block: Block) -> Bools:
    named: Bools = (block.of(activity.REMOVAL) == activity.KEPT) | ~block.permille("title deleted", 100)
    return named


def _has_self_text(block: Block) -> Bools:
    told: Bools = _self_post(block) & (block.of(activity.REMOVAL) == activity.KEPT)
    return told


# Columns that are written as numbers; the others are pieces, or conditions.
BASE36 = frozenset({"id", "parent", "link", "author_id", "subreddit_id"})
DECIMAL = frozenset(
    {"created_utc", "author_created", "retrieved", "retrieved_or_null", "retrieved_again", "score", "score_or_null"}
    | {"edited", "controversial", "gilded"}
)

COLUMNS: dict[str, Callable[[Block], Ints | Bools]] = {
    "id": lambda block: block.of(activity.ID),
    "parent": _parent,
    "parent_kind": lambda block: np.where(block.of(activity.PARENT) < 0, block.phrases.thread_kind, block.phrases.comment_kind),
    "link": lambda block: block.of(activity.LINK),
    "author": _author,
    "known_author": lambda block: block.of(activity.AUTHOR) >= 0,
    "author_id": lambda block: 40_000_000 + 7_919 * block.of(activity.AUTHOR),
    "author_created": lambda block: 1_120_000_000 + 1_009 * block.of(activity.AUTHOR),
    "is_submitter": _choice(_is_submitter, "true", "false"),
    "flair_text": lambda block: np.where(_with_flair(block), block.of(activity.THING), block.phrases.null),
    "flair_quote": _choice(_with_flair, "quote", "nothing"),
    "kept": lambda block: block.of(activity.REMOVAL) == activity.KEPT,
    "removal_text": _removal_text,
    "removal_type": _removal_type,
    "deleted_later": _choice(_deleted_later, "deleted_later", "nothing"),
    "subreddit": lambda block: block.population.subreddits + block.of(activity.SUBREDDIT),
    "subreddit_id": lambda block: 70_000 + 137 * block.of(activity.SUBREDDIT),
    "slug": lambda block: block.population.slugs + block.of(activity.THING) - block.population.first_thing,
    "distinguished": _choice(_moderator, "moderator", "null"),
    "stickied": _choice(_stickied, "true", "false"),
    "created_utc": lambda block: block.of(activity.UTC),
    "quote": _choice(lambda block: block.permille("string time", 500), "quote", "nothing"),
    "fraction": _choice(lambda block: block.permille("float time", 100), "point_zero", "nothing"),
    "retrieved": _retrieved,
    "retrieved_kept": lambda block: ~block.permille("not retrieved", 100),
    "retrieved_or_null": lambda block: np.where(block.permille("not retrieved", 100), NULL, _retrieved(block)),
    "retrieved_again": lambda block: block.of(activity.UTC) + 129_600 + block.draw("retrieved again", 600),
    "edited": _edited,
    "edited_fraction": _edited_fraction,
    "score": _score,
    "score_or_null": lambda block: np.where(block.permille("no score", 10), NULL, _score(block)),
    "controversial": lambda block: block.permille("controversial", 20),
    "gilded": lambda block: block.draw("gilded", 2000) == 0,
    "collapsed": _choice(_collapsed, "true", "false"),
    "collapsed_reason": _choice(_collapsed, "low_score", "null"),
    "self_post": _self_post,
    "link_post": lambda block: ~_self_post(block),
    "is_self": _choice(_self_post, "true", "false"),
    "has_title": _has_title,
    "title_tombstone": _choice(_has_title, "nothing", "deleted_by_user"),
    "has_self_text": _has_self_text,
    "has_long_self_text": lambda block: _has_self_text(block) & block.permille("long self text", 500),
}
