"""Which format a source is in, told by how it begins."""

from threadmill.corpora.text.text_blocks import read_head

HEAD_BYTES = 1 << 18
_PARQUET = b"PAR1"
_AMAZON = b"marketplace\tcustomer_id\t"


def source_format(uri: str) -> str:
    """``amazon``, ``jsonl``, ``parquet``, ``prose`` or ``lines``."""
    head = read_head(uri, HEAD_BYTES)
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_AMAZON):
        return "amazon"
    if head.lstrip().startswith(b'{"'):
        return "jsonl"
    return "lines"
