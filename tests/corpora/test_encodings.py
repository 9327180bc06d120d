"""Files that are no UTF-8 text, told by how they begin."""

import pytest

from threadmill.corpora.encodings import refuse_no_text
from threadmill.errors import InputError


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("hello\n".encode("utf-16"), "its byte order mark says UTF-16"),
        ("hello\n".encode("utf-32"), "its byte order mark says UTF-32"),
        ("hello there, reader\n".encode("utf-16-le"), "20 of its first 40 bytes are NUL, so that it is UTF-16 without"),
        (b"%PDF-1.4\n%\xe2\xe3\n", "is a PDF document, not text"),
        (b"PK\x03\x04\x14\0", "is a ZIP archive"),
    ],
)
def test_what_a_file_is_is_told(head: bytes, told: str) -> None:
    with pytest.raises(InputError, match=f"^file.txt(:)? {told}"):
        refuse_no_text(head, "file.txt")


@pytest.mark.parametrize("head", [b"", b"a", b"ab\0", b"\0", b"a line with a NUL\0 or \0 two in it\n", "مرحبا\n".encode()])
def test_text_passes_with_some_control_characters_too(head: bytes) -> None:
    refuse_no_text(head, "file.txt")
