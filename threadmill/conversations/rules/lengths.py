"""How long comments and their words are, and what they are worth to readers: rules that compare a number with a limit."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rules.words import LONGEST_WORD, REPEATS, TOKENS, WORDS
from threadmill.conversations.rules_config import ANY_SCORE


def too_long(config: ConversationsConfig) -> pl.Expr:
    """More characters than max_length."""
    return pl.col("body").str.len_chars() > config.max_length


def too_short(config: ConversationsConfig) -> pl.Expr:
    """Fewer characters than min_length."""
    return pl.col("body").str.len_chars() < config.min_length


def unspaced(config: ConversationsConfig) -> pl.Expr | None:
    """More characters than max_unspaced_length and no space among them (Roller et al. 2020: 2048)."""
    if not config.max_unspaced_length:
        return None
    body = pl.col("body")
    return (body.str.len_chars() > config.max_unspaced_length) & ~body.str.contains(" ", literal=True)


def too_few_words(config: ConversationsConfig) -> pl.Expr | None:
    """Fewer words than min_words (DialoGPT's extractor: 2)."""
    return pl.col(WORDS) < config.min_words if config.min_words else None


def too_many_words(config: ConversationsConfig) -> pl.Expr | None:
    """More words than max_words (DialoGPT's extractor: 30)."""
    return pl.col(WORDS) > config.max_words if config.max_words else None


def too_many_tokens(config: ConversationsConfig) -> pl.Expr | None:
    """More tokens than max_tokens: see `words.measured` for what stands for the subwords of Roller et al. (128)."""
    return pl.col(TOKENS) > config.max_tokens if config.max_tokens else None


def long_word(config: ConversationsConfig) -> pl.Expr | None:
    """A word of more characters than max_word_length (DialoGPT's extractor: 30)."""
    return pl.col(LONGEST_WORD) > config.max_word_length if config.max_word_length else None


def repeats(config: ConversationsConfig) -> pl.Expr | None:
    """A word or a phrase of up to eight words three times in a row, letter case and punctuation apart (DialoGPT: one word)."""
    return pl.col(REPEATS) if config.drop_repeats else None


def low_score(config: ConversationsConfig) -> pl.Expr | None:
    """A score below min_score; comments whose score is null pass."""
    return pl.col("score") < config.min_score if config.min_score != ANY_SCORE else None
