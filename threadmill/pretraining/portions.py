"""Cuts the parts of a split into portions: what one machine reads, where many make records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from threadmill.datasets.shards import ShardName
from threadmill.documents.sources import TEXT_KIND, Corpora, CorpusFile, Part

# Of text, passes counted: minutes of work for a process, and as much as it sorts and holds of partners' tokens at a time.
_PORTION_BYTES = 512 << 20
_MOST_PORTIONS = 512  # each machine that writes a shard reads a piece of every portion
_UNPACKED = 3  # how much larger compressed text is


@dataclass(frozen=True)
class Portion:
    """Parts of a split that follow one another.

    Attributes:
        name: of the shard that holds what is made of it between two phases.
        parts: in the split's order.
        files: what the parts lie in. Those with a digest are read for it here, and in no other portion.
    """

    name: ShardName
    parts: tuple[Part, ...]
    files: tuple[CorpusFile, ...]

    @property
    def split(self) -> str:
        """The split of all its parts."""
        return self.name.split

    def corpora(self) -> Corpora:
        """The parts as corpora."""
        return Corpora((), self.parts, files=self.files)


def text_bytes(part: Part) -> int:
    """About how many bytes of text a part has."""
    return part.size * (_UNPACKED if part.kind == TEXT_KIND and part.stop < 0 else 1)


def cut_portions(corpora: Corpora, split: str, passes: int, suffix: str) -> list[Portion]:
    """The portions of a split.

    Args:
        passes: over each document.
        suffix: of the portions' names.
    """
    parts = [part for part in corpora.parts if part.split == split]
    total = sum(map(text_bytes, parts))
    groups = list(_grouped(parts, max(_PORTION_BYTES // passes, total // _MOST_PORTIONS)))
    files = {file.uri: file for file in corpora.files if file.split == split}
    unread = dict(files)
    portions = []
    for index, group in enumerate(groups):
        names = dict.fromkeys(part.uri for part in group)
        own = [unread.pop(name) if name in unread else replace(files[name], sha256="") for name in names]
        portions.append(Portion(ShardName(split, index, len(groups), suffix), tuple(group), tuple(own)))
    portions[0] = replace(portions[0], files=(*portions[0].files, *unread.values()))  # empty ones, of no part
    return portions


def _grouped(parts: Sequence[Part], most: int) -> Iterator[list[Part]]:
    group, size = list[Part](), 0
    for part in parts:
        if group and size + text_bytes(part) > most:
            yield group
            group, size = [], 0
        group.append(part)
        size += text_bytes(part)
    if group:
        yield group
