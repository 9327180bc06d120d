"""Shard names: ``train-00000-of-00010.tfrecord``, the convention of TFDS and of the reference pipelines."""

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"(?P<split>.+)-(?P<index>[0-9]{5})-of-(?P<count>[0-9]{5})\.(?P<suffix>[a-z0-9.]+)")
MAX_SHARDS = 99_999


@dataclass(frozen=True, order=True)
class ShardName:
    """One shard of a split: ``{split}-{index:05d}-of-{count:05d}.{suffix}``."""

    split: str
    index: int
    count: int
    suffix: str

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count <= MAX_SHARDS:
            raise ValueError(f"shard {self.index} of {self.count}: want 0 <= index < count <= {MAX_SHARDS}")

    def __str__(self) -> str:
        return f"{self.split}-{self.index:05d}-of-{self.count:05d}.{self.suffix}"

    @classmethod
    def parse(cls, name: str) -> "ShardName | None":
        """The parts of a shard's file name, or None where the name is not a shard's."""
        match = _PATTERN.fullmatch(name)
        if match is None or not int(match["index"]) < int(match["count"]):
            return None
        return cls(match["split"], int(match["index"]), int(match["count"]), match["suffix"])
