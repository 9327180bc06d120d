"""The heart of it: comments of whole threads to context/response examples.

The method is PolyAI's (conversational-datasets, reddit/create_data.py): every reply gives at most one example, whose
context is the comment it answers and whose extra contexts are the comments before that, the most recent first.
"""

import polars as pl

from threadmill.conversations.choice import choose_responses
from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.gathering import Gatherer
from threadmill.conversations.linking import link
from threadmill.conversations.rules import prepare
from threadmill.datasets.counters import Counters

# What `prepare` hands on: by then it is settled, row by row, which comments can be turns.
PREPARED_COLUMNS = ("thread_id", "id", "parent_id", "parent_kind", "subreddit", "author", "body", "created_utc", "is_new")
COLUMNS = (*PREPARED_COLUMNS, "removal", "score")

_SLICE = 1 << 17  # examples that are gathered at a time


def make_examples(comments: pl.DataFrame, config: ConversationsConfig) -> tuple[pl.DataFrame, Counters]:
    """The examples of some whole threads.

    Args:
        comments: the columns COLUMNS; or PREPARED_COLUMNS and faults, as `prepare` makes them, bodies whole or cut to
            max_length + 1 characters. Rows of a thread together; ids unique among its comments.

    Returns:
        A frame of strings with the columns of `feature_names`, one row an example in the order of the responses,
        null where a feature is absent; and the funnel: each comment is a response that was kept, or was dropped for a reason.

    Raises:
        ConfigError: a rule of the user's own fails.
    """
    if "faults" not in comments.columns:
        comments = prepare(comments, config)
    links = link(comments, parent_kinds=config.parent_kinds, titles=config.titles)
    responses, counters = choose_responses(comments, links, config)
    gatherer = Gatherer(comments, links, config)
    parts = [gatherer.examples(responses[start : start + _SLICE]) for start in range(0, max(1, len(responses)), _SLICE)]
    examples = pl.concat(parts)
    if config.max_dialogue_words:
        short = _words_together(examples, config) <= config.max_dialogue_words
        counters.drop("too_many_words_together", int((~short).sum()))
        examples = examples.filter(short)
        counters.kept = counters.written = examples.height
    return examples, counters


def feature_names(config: ConversationsConfig) -> tuple[str, ...]:
    """The features of an example, sorted: the reference pipeline's, then ours: when, by whom, in which place."""
    reference = ("context", "context_author", "response", "response_author", "subreddit", "thread_id")
    own = ("context_authors", "context_ids", "created_utc", "example_id", "root_kind")
    return tuple(sorted([*reference, *own, *config.extra_contexts], key=str.encode))


def _words_together(examples: pl.DataFrame, config: ConversationsConfig) -> pl.Series:
    turns = ("response", "context", *config.extra_contexts)
    words = (pl.col(turn).str.count_matches(r"[^ \t\n\r\x0B\x0C]+").fill_null(0) for turn in turns)
    return examples.select(pl.sum_horizontal(words)).to_series()
