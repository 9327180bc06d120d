"""Which format a source is in, told by how it begins."""

from threadmill.corpora.text.text_blocks import read_head
from threadmill.corpora.text.wrapping import wrap_width

HEAD_BYTES = 1 << 18
_PARQUET = b"PAR1"
_AMAZON = b"marketplace\tcustomer_id\t"
_LOOKED_AT = 1_000  # lines
_MOST_SENTENCES = 1.2  # a line, of what was cut into sentences by whatever rules


def source_format(uri: str) -> str:
    """``amazon``, ``jsonl``, ``parquet``, ``prose`` or ``lines``."""
    head = read_head(uri, HEAD_BYTES)
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_AMAZON):
        return "amazon"
    if head.lstrip().startswith((b'{"', b"{ ")):
        return "jsonl"
    return "prose" if _is_prose(head.decode(errors="ignore")) else "lines"


def _is_prose(text: str) -> bool:
    """True for lines that are wrapped, or hold several sentences more often than not."""
    from sentencex import segment  # type: ignore[import-untyped]

    if wrap_width(text):
        return True
    lines = [line for line in map(str.strip, text.splitlines()) if line][:_LOOKED_AT]
    return sum(len(segment("en", line)) for line in lines) > _MOST_SENTENCES * len(lines)
