"""Finds the files of a dialogue set: what each is called, which format it has, and of which split its name says it is."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import orjson

from threadmill.corpora.addresses import is_on_the_web, public_uri
from threadmill.corpora.dialogues.config import ACTS, AUTO, JSON_LINES, NUMBERED, PARLAI, SOURCE_FORMATS, TFRECORD
from threadmill.corpora.dialogues.content import BYTE_ORDER_MARK, read_beginning
from threadmill.corpora.encodings import refuse_no_text
from threadmill.corpora.source import Source
from threadmill.corpora.source_files import folder_files, refuse_irregular
from threadmill.datasets import storage
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.datasets.tfrecord import begins_record
from threadmill.errors import InputError

_HEAD_BYTES, _FRAME_HEAD = 1 << 20, 12
_WORDS = re.compile(r"[a-z]+")
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_NUMBERED_LINE = re.compile(rb"\d+ [^\r\n]*\t")
_PARLAI_LINE = re.compile(rb"(?:[a-z_]+:[^\t\r\n]*\t)*text:", re.IGNORECASE)


def find_dialogues(uris: Sequence[str], format: str) -> list[Source]:
    """The files at the given URIs, each a file, a folder of them, or a web address.

    Args:
        format: of all files, or `AUTO`.

    Raises:
        InputError: nothing there, an empty file, one of no known format, or a dataset of Threadmill's.
    """
    files = [file for uri in uris for file in _files(uri)]
    files = [(name, uri) for name, uri in files if is_on_the_web(uri) or storage.size(uri) > 0]
    if not files:
        raise InputError(f"{', '.join(map(public_uri, uris)) or 'no source'}: no file with dialogues there; name one")
    alike = Counter(name for name, _ in files)
    names = [name if alike[name] == 1 else f"{number}-{name}" for number, (name, _) in enumerate(files)]
    sources = [
        Source(name, uri, source_format(uri) if format == AUTO else format, named_split(path))
        for name, (path, uri) in zip(names, files, strict=True)
    ]
    if {source.split for source in sources} & {"validation", "test"}:
        return sources
    return [replace(source, split="") for source in sources]


def named_split(path: str) -> str:
    """The split that a file's name, or else that of a folder above it, tells: "" for none."""
    words = [word for component in reversed(path.lower().split("/")) for word in reversed(_WORDS.findall(component))]
    return next((_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS), "")


def source_format(uri: str) -> str:
    """One of `SOURCE_FORMATS`, told by how the content begins.

    Raises:
        InputError: it is none of them.
    """
    head = read_beginning(uri, _HEAD_BYTES)
    if begins_record(head[:_FRAME_HEAD]):
        return TFRECORD
    refuse_no_text(head, uri)
    line = next((line for line in head.removeprefix(BYTE_ORDER_MARK).split(b"\n") if line.strip()), b"")
    if line.lstrip().startswith(b"{"):
        return ACTS if _has_dialog(line) else JSON_LINES
    if _PARLAI_LINE.match(line):
        return PARLAI
    if _NUMBERED_LINE.match(line):
        return NUMBERED
    formats = ", ".join(f"{name} ({what})" for name, what in SOURCE_FORMATS.items())
    shown = line[:80].decode(errors="replace").strip()
    raise InputError(
        f"{public_uri(uri)} begins with {shown!r}, which none of the formats does: {formats}; name the files that are "
        "dialogues, or tell their format with --source-format"
    )


def _has_dialog(line: bytes) -> bool:
    try:
        return "dialog" in orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.lstrip().startswith(b'{"dialog"')


def _files(uri: str) -> Iterator[tuple[str, str]]:
    """Name and URI of each file."""
    if is_on_the_web(uri):
        yield storage.name_of(public_uri(uri)), uri
    elif storage.exists(storage.join(uri, MANIFEST_NAME)):
        raise InputError(f"{uri} is a dataset of Threadmill's, which `vocab train` and `records` read as it is")
    elif storage.is_directory(uri):
        yield from folder_files(uri)
    elif storage.exists(uri):
        refuse_irregular(uri)
        yield storage.name_of(uri), uri
    else:
        raise InputError(f"{uri} does not exist; name a file of dialogues, or a folder of them")
