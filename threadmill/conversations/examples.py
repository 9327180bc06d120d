"""The heart of it: comments of whole threads to context/response examples.

The method is PolyAI's (conversational-datasets, reddit/create_data.py): every reply gives at most one example, whose
context is the comment it answers and whose extra contexts are the comments before that, the most recent first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from threadmill.conversations.choice import choose_responses
from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.gathering import Gatherer
from threadmill.conversations.linking import Rows, link
from threadmill.conversations.rules import prepare
from threadmill.datasets.counters import Counters

# What `prepare` hands on: by then it is settled, row by row, which comments can be turns.
PREPARED_COLUMNS = ("thread_id", "id", "parent_id", "parent_kind", "subreddit", "author", "body", "created_utc", "is_new")
COLUMNS = (*PREPARED_COLUMNS, "removal", "score")

_SLICE = 1 << 16  # examples that are gathered at a time


@dataclass(frozen=True)
class Chosen:
    """The examples that comments give, before their texts are brought together.

    Attributes:
        responses: int64[n], the rows of the comments that are a response, ascending.
        counters: the funnel of all comments.
    """

    responses: Rows
    counters: Counters
    gatherer: Gatherer

    def slices(self, order: Rows) -> Iterator[pl.DataFrame]:
        """The examples in ``order`` (a permutation of their numbers), in frames of up to 65,536, one at least.

        Of a thread of a million comments, texts are there for a slice at a time.
        """
        for start in range(0, max(1, len(order)), _SLICE):
            yield self.gatherer.examples(self.responses[order[start : start + _SLICE]])


def choose_examples(comments: pl.DataFrame, config: ConversationsConfig) -> Chosen:
    """The examples of some whole threads.

    Args:
        comments: the columns COLUMNS; or PREPARED_COLUMNS and faults, as `prepare` makes them, bodies whole or cut to
            max_length + 1 characters. Rows of a thread together; ids unique among its comments.

    Raises:
        ConfigError: a rule of the user's own fails.
    """
    if "faults" not in comments.columns:
        comments = prepare(comments, config)
    links = link(comments, parent_kinds=config.parent_kinds, titles=config.titles)
    responses, counters = choose_responses(comments, links, config)
    gatherer = Gatherer(comments, links, config)
    if config.max_dialogue_words:
        short = gatherer.words_together(responses) <= config.max_dialogue_words
        counters.drop("too_many_words_together", int(np.count_nonzero(~short)))
        responses = responses[short]
        counters.kept = counters.written = len(responses)
    return Chosen(responses, counters, gatherer)


def make_examples(comments: pl.DataFrame, config: ConversationsConfig) -> tuple[pl.DataFrame, Counters]:
    """All examples of some whole threads at once; see `choose_examples`.

    Returns:
        A frame of strings with the columns of `feature_names`, one row an example in the order of the responses,
        null where a feature is absent; and the funnel: each comment is a response that was kept, or was dropped for a reason.
    """
    chosen = choose_examples(comments, config)
    return pl.concat(chosen.slices(np.arange(len(chosen.responses)))), chosen.counters


def feature_names(config: ConversationsConfig) -> tuple[str, ...]:
    """The features of an example, sorted: the reference pipeline's, then ours: when, by whom, in which place."""
    reference = ("context", "context_author", "response", "response_author", "subreddit", "thread_id")
    own = ("context_authors", "context_ids", "created_utc", "example_id", "root_kind")
    return tuple(sorted([*reference, *own, *config.extra_contexts], key=str.encode))
