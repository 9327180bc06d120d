"""A file of a corpus, as the readers of its room get it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A file of text or of dialogues.

    Attributes:
        name: unique among the sources, and the same wherever they lie.
        uri: the file.
        format: one of the formats that the room's config tells.
        split: the split that all of it is of; "" where a hash of each document or dialogue decides.
    """

    name: str
    uri: str
    format: str
    split: str = ""
