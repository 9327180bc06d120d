"""A file of text, as the readers get it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A file of text.

    Attributes:
        name: unique among the sources, and the same wherever they lie.
        uri: the file.
        format: one of `FORMATS`.
        split: the split that all of it is of; "" where a hash of each document decides.
    """

    name: str
    uri: str
    format: str
    split: str = ""
