"""Cuts long turns at the edge of a word, as the reference pipeline (PolyAI conversational-datasets) does."""

from collections.abc import Iterable


def trim(text: str, max_length: int, *, hard_cut: bool) -> str:
    """The longest beginning of ``text`` of at most ``max_length`` characters that ends where a word or a gap ends.

    An edge lies between an alphanumeric character and one that is not (str.isalnum).

    Args:
        hard_cut: where there is no edge (one word longer than the limit), cut in its middle. The reference pipeline
            leaves nothing of such a text.
    """
    if len(text) <= max_length:
        return text
    end = max_length + 1
    while end > 1 and text[end - 1].isalnum() == text[end - 2].isalnum():
        end -= 1
    if end == 1 and hard_cut:
        return text[:max_length]
    return text[: end - 1]


def trim_all(texts: Iterable[str], max_length: int, *, hard_cut: bool) -> list[str]:
    """`trim` of each text."""
    return [trim(text, max_length, hard_cut=hard_cut) for text in texts]
