"""Which format a source is in, told by how it begins."""

from threadmill.corpora.reddit.rows import RAW
from threadmill.datasets import storage

HEAD_BYTES = 1 << 16  # what is looked at
_PARQUET = b"PAR1"
_MARK = b"\xef\xbb\xbf"


def source_format(uri: str, head: bytes) -> str:
    """``ndjson``, ``csv`` or ``parquet``.

    CSV is what begins with a line of names of which two at least are those of columns; or what is named so.

    Args:
        head: the first bytes, decompressed.
    """
    if head.startswith(_PARQUET):
        return "parquet"
    text = head.removeprefix(_MARK).lstrip()
    if text.startswith(b"{"):
        return "ndjson"
    names = {name.strip(b' \t\r"') for name in text.split(b"\n", 1)[0].split(b",")}
    known = sum(name.encode() in names for name in RAW)
    return "csv" if known > 1 or ".csv" in storage.name_of(uri).lower() else "ndjson"
