"""Files of encoded records in sections by their keys: what each portion has for each shard, to be merged by key.

The magic comes first. A section is a Zstandard frame with a checksum, empty where there is no record: the number of records n
and of bytes of JSON (uint32 each, little-endian); the JSON, sums over the section's records; the keys, uint64[n], ascending; the
sizes, uint32[n]; and the records end to end. After the sections come their offsets in the file, uint64[sections + 1].
"""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

import numpy as np
import numpy.typing as npt
import orjson
import zstandard

from threadmill.datasets import storage
from threadmill.datasets.example_kernels import copy_slices, frame_bounds
from threadmill.engine.stage import ShardStream
from threadmill.errors import IntegrityError
from threadmill.pretraining.objectives import Encoded

_MAGIC = b"TMRECORD"
_HEADER = struct.Struct("<2I")
_LEVEL = 1
_OFFSET_BYTES = 8
_FRAME_BYTES = 16  # of a TFRecord besides its payload
_MERGED = 1 << 12  # records a block


@dataclass(frozen=True)
class Section:
    """Records in the order of their keys.

    Attributes:
        keys: uint64[n].
        sizes: int64[n], bytes of each record.
        content: uint8, the records end to end.
        measured: sums over them.
    """

    keys: npt.NDArray[np.uint64]
    sizes: npt.NDArray[np.int64]
    content: npt.NDArray[np.uint8]
    measured: Counter[str] = field(default_factory=Counter)


def write_sections(sections: Iterable[Iterable[Encoded]], stream: ShardStream) -> None:
    """Writes a file whose sections' records are given."""
    stream.write(_MAGIC)
    offsets = [stream.bytes]
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    for blocks in sections:
        found = list(blocks)
        if records := sum(block.records for block in found):
            stream.write(compressor.compress(_packed(found, records)))
            stream.records += records
        offsets.append(stream.bytes)
    stream.write(np.array(offsets, "<u8").data)


def _packed(blocks: Sequence[Encoded], records: int) -> bytes:
    measured = Counter[str]()
    for block in blocks:
        measured.update(block.measured)
    note = orjson.dumps(measured)
    sizes = [_sizes(block) for block in blocks]
    return b"".join(
        [
            _HEADER.pack(records, len(note)),
            note,
            *(block.keys.astype("<u8", copy=False).tobytes() for block in blocks),
            *(size.astype("<u4").tobytes() for size in sizes),
            *(block.content.data for block in blocks),
        ]
    )


def _sizes(block: Encoded) -> npt.NDArray[np.int64]:
    bounds: npt.NDArray[np.int64] = frame_bounds(block.content, block.records)
    return np.diff(bounds, axis=1)[:, 0] + _FRAME_BYTES


def read_section(uri: str, number: int, sections: int) -> Section | None:
    """A section of a file of so many, or None where it is empty: two ranged reads, and one more for the file's size.

    Raises:
        IntegrityError: the file is damaged.
    """
    try:
        with storage.open_read(uri) as stream:
            stream.seek(storage.size(uri) - _OFFSET_BYTES * (sections + 1 - number))
            start, stop = np.frombuffer(_exactly(stream, 2 * _OFFSET_BYTES), "<u8").tolist()
            if not len(_MAGIC) <= start <= stop:
                raise ValueError(f"section {number} of {sections} from byte {start:,} to {stop:,}")
            if start == stop:
                return None
            stream.seek(start)
            return _unpacked(zstandard.ZstdDecompressor().decompress(_exactly(stream, stop - start)))
    except (EOFError, ValueError, zstandard.ZstdError) as error:
        raise IntegrityError(f"{uri} is damaged ({error}); remove the output's folder .phases and run the stage again") from error


def _exactly(stream: IO[bytes], size: int) -> bytes:
    pieces = list[bytes]()
    while size > 0:
        piece = stream.read(size)
        if not piece:
            raise EOFError(f"{size:,} bytes are missing")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _unpacked(content: bytes) -> Section:
    records, size = _HEADER.unpack_from(content)
    place = _HEADER.size + size
    keys = np.frombuffer(content, "<u8", records, place)
    sizes = np.frombuffer(content, "<u4", records, place + keys.nbytes)
    records_place = place + keys.nbytes + sizes.nbytes
    measured = Counter[str](orjson.loads(content[_HEADER.size : place]))
    return Section(keys, sizes.astype(np.int64), np.frombuffer(content, np.uint8, -1, records_place), measured)


def merged(sections: Sequence[Section]) -> Iterator[Encoded]:
    """The records of several sections in the order of their keys, and of sections where keys are equal; some thousands at a time.

    Memory: the sections twice.
    """
    if not sections:
        return
    keys = np.concatenate([section.keys for section in sections])
    sizes = np.concatenate([section.sizes for section in sections])
    content = np.concatenate([section.content for section in sections])
    starts = np.cumsum(sizes) - sizes
    order = np.argsort(keys, kind="stable")
    measured = Counter[str]()
    for section in sections:
        measured.update(section.measured)
    for begin in range(0, len(order), _MERGED):
        some = order[begin : begin + _MERGED]
        offsets = np.concatenate([[0], np.cumsum(sizes[some])])
        output = np.empty(offsets[-1], np.uint8)
        copy_slices(content, starts[some], offsets, output)
        yield Encoded(output, keys[some], {} if begin else measured)
