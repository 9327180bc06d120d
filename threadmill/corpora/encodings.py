"""Tells files that are no UTF-8 text by how they begin."""

from threadmill.corpora.addresses import public_uri
from threadmill.errors import InputError

_MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\0\0\xfe\xff": "UTF-32"}
# https://www.iana.org/assignments/media-types; first bytes as their specifications give them
_SIGNATURES = {
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (or an office document)",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an office document",
    b"{\\rtf": "an RTF document",
    b"SQLite format 3\0": "an SQLite database",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x89PNG\r\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x7fELF": "a program",
}
_LOOKED_AT, _LEAST = 4096, 16
_MOST_NULS = 0.2  # of text in UTF-16 it is half where the text is English


def refuse_no_text(head: bytes, uri: str) -> None:
    """Raises InputError where a file that begins with ``head``, decompressed, is no text, or text of another encoding."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            raise InputError(
                f"{public_uri(uri)}: its byte order mark says {encoding}; convert it, for example with "
                f"`iconv -f {encoding} -t utf-8`"
            )
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise InputError(f"{public_uri(uri)} is {kind}, not text; convert it to text first, or leave it out")
    seen = head[:_LOOKED_AT]
    nuls = seen.count(0)
    if len(seen) >= _LEAST and nuls > _MOST_NULS * len(seen):
        raise InputError(
            f"{public_uri(uri)}: {nuls:,} of its first {len(seen):,} bytes are NUL, so that it is UTF-16 without a byte order "
            "mark, or no text; convert it, for example with `iconv -f UTF-16LE -t utf-8`, or leave it out"
        )
