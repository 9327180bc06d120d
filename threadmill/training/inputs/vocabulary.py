"""A vocabulary as training takes it: its files, how many tokens it has, and its digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import InputEntry
from threadmill.errors import InputError, IntegrityError
from threadmill.vocab.files import VOCAB_NAME, bare_vocab_file, vocabulary_place


@dataclass(frozen=True)
class VocabularyFiles:
    """A vocabulary.

    Attributes:
        entry: how a dataset made with it refers to it: by its manifest's digest, or by the SHA-256 of a bare vocab.txt.
        files: the content of each file by name, ``vocab.txt`` among them.
        partial: made from input that was known to be incomplete.
    """

    entry: InputEntry
    files: Mapping[str, bytes]
    partial: bool

    def __len__(self) -> int:
        """The tokens: the lines of vocab.txt."""
        vocab = self.files[VOCAB_NAME]
        return vocab.count(b"\n") + (not vocab.endswith(b"\n"))


def open_vocabulary(uri: str) -> VocabularyFiles:
    """The vocabulary dataset at ``uri``, or a bare vocab.txt: the file, or the folder where it lies without a manifest.

    Raises:
        InputError: there is none.
        IntegrityError: a file was changed after it was written.
    """
    uri = vocabulary_place(uri)
    bare = bare_vocab_file(uri)
    if bare:
        content = storage.read_bytes(bare)
        entry = InputEntry(storage.name_of(uri), hashlib.sha256(content).hexdigest(), uri)
        return VocabularyFiles(entry, {VOCAB_NAME: content}, partial=False)
    dataset = Dataset.open(uri)
    return VocabularyFiles(dataset.as_input(), _files(dataset), dataset.manifest.partial)


def _files(dataset: Dataset) -> Mapping[str, bytes]:
    if VOCAB_NAME not in {shard.name for shard in dataset.manifest.shards}:
        raise InputError(f"{dataset.uri} holds no {VOCAB_NAME}; name a vocabulary dataset")
    files = {shard.name: storage.read_bytes(dataset.path(shard)) for shard in dataset.manifest.shards}
    for shard in dataset.manifest.shards:
        if hashlib.sha256(files[shard.name]).hexdigest() != shard.sha256:
            raise IntegrityError(f"{dataset.path(shard)} was changed after it was written; make the vocabulary again")
    return files
