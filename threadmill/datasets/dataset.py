"""A finished dataset: open it, walk its shards, check them against the manifest."""

from dataclasses import dataclass

from threadmill.datasets import storage
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import FileEntry, InputEntry, Manifest, read_manifest
from threadmill.datasets.shards import ShardName
from threadmill.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """A dataset at ``uri`` with its manifest."""

    uri: str
    manifest: Manifest

    @classmethod
    def open(cls, uri: str, *stages: str) -> "Dataset":
        """Opens the dataset at ``uri``.

        Args:
            stages: one of which must have made it; none for any.

        Raises:
            InputError: no dataset there, or one of another stage.
        """
        manifest = read_manifest(uri)
        if stages and manifest.stage not in stages:
            wanted = " or ".join(stages)
            raise InputError(f"{uri} is a dataset of the stage {manifest.stage}; name one of the stage {wanted}")
        return cls(uri, manifest)

    def as_input(self) -> InputEntry:
        """How a dataset made from this one refers to it."""
        return InputEntry(self.manifest.name, self.manifest.digest, self.uri)

    def path(self, shard: FileEntry) -> str:
        """The URI of one of its files."""
        return storage.join(self.uri, shard.name)

    def shards(self, split: str | None = None) -> list[FileEntry]:
        """Its shards in the manifest's order, of one split if named."""
        return [shard for shard in self.manifest.shards if split is None or split_of(shard) == split]

    def splits(self) -> list[str]:
        """The names of its splits, in the manifest's order."""
        return list(dict.fromkeys(split_of(shard) for shard in self.manifest.shards))


def split_of(shard: FileEntry) -> str:
    """The split that a shard's name tells, or the whole name where it is not a split's shard."""
    name = ShardName.parse(shard.name)
    return name.split if name else shard.name


def verify(uri: str) -> list[str]:
    """What is wrong with the files of the dataset at ``uri``: one line for each that is missing, differs or does not belong.

    Raises:
        InputError: no dataset there.
        IntegrityError: the manifest itself is damaged.
    """
    dataset = Dataset.open(uri)
    entries = [*dataset.manifest.shards, *dataset.manifest.dead_letters]
    problems = [problem for entry in entries if (problem := _difference(dataset.path(entry), entry))]
    listed = {entry.name for entry in entries}
    # Readers find shards by pattern, so one more would be read along.
    strays = [name for name in storage.list_names(uri) if ShardName.parse(name) and name not in listed]
    return problems + [f"{name}: not in the manifest" for name in strays]


def _difference(path: str, entry: FileEntry) -> str:
    size = storage.size(path)
    if size < 0:
        return f"{entry.name}: missing"
    if size != entry.bytes:
        return f"{entry.name}: {size} bytes, the manifest says {entry.bytes}"
    if file_digest(path) != entry.sha256:
        return f"{entry.name}: its SHA-256 differs from the manifest's"
    return ""
