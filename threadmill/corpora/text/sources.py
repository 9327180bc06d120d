"""Finds the files that a corpus is made of, and what each of them is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from threadmill.corpora.addresses import is_on_the_web, public_uri
from threadmill.corpora.source import Source
from threadmill.corpora.source_files import folder_files, refuse_irregular
from threadmill.corpora.text.config import AUTO
from threadmill.corpora.text.formats import source_format
from threadmill.corpora.text.huggingface import arrow_files, is_saved_dataset
from threadmill.datasets import storage
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.errors import InputError


def find_sources(uris: Sequence[str], format: str) -> list[Source]:
    """The files at the given URIs, each a file, a folder of them, a web address, or a dataset saved by Hugging Face's library.

    Args:
        format: of all files, or `AUTO`.

    Raises:
        InputError: nothing there, an empty file, or a dataset of Threadmill's.
    """
    if not uris:
        raise InputError("no source is named; name a file of text, a folder of them, or a saved dataset")
    found = [source for uri in uris for source in _sources(uri, format)]
    sources = [source for source in found if is_on_the_web(source.uri) or storage.size(source.uri) > 0]
    if not sources:
        raise InputError(f"{', '.join(map(public_uri, uris))}: all files there are empty (0 bytes); name a source with text")
    names = Counter(source.name for source in sources)
    return [
        replace(source, name=source.name if names[source.name] == 1 else f"{number}-{source.name}")
        for number, source in enumerate(sources)
    ]


def _sources(uri: str, format: str) -> Iterator[Source]:
    if is_on_the_web(uri):
        name = storage.name_of(public_uri(uri))
        yield Source(name, uri, source_format(uri) if format == AUTO else format)
    elif storage.is_directory(uri):
        yield from _folder(uri, format)
    elif storage.exists(uri):
        refuse_irregular(uri)
        yield Source(storage.name_of(uri), uri, source_format(uri) if format == AUTO else format)
    else:
        raise InputError(f"{uri} does not exist; name a file of text, a folder of them, or a saved dataset")


def _folder(uri: str, format: str) -> Iterator[Source]:
    if storage.exists(storage.join(uri, MANIFEST_NAME)):
        raise InputError(f"{uri} is a dataset of Threadmill's, which `vocab train` and `records` read as it is; name raw text")
    if is_saved_dataset(uri) and format in (AUTO, "huggingface"):
        for name, file, split in arrow_files(uri):
            yield Source(name, file, "huggingface", split)
        return
    if format == "huggingface":
        raise InputError(f"{uri} holds neither dataset_dict.json nor state.json; name a folder that save_to_disk has written")
    files = list(folder_files(uri))
    if not files:
        raise InputError(f"{uri} is a folder without a file; name a file of text, or a folder of them")
    for name, file in files:
        yield Source(name, file, source_format(file) if format == AUTO else format)
