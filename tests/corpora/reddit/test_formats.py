import pytest

from threadmill.corpora.reddit.formats import source_format


@pytest.mark.parametrize(
    ("name", "head", "wanted"),
    [
        ("RC_2006-01.zst", b'{"id": "a"}\n', "ndjson"),
        ("RC_2006-01.csv", b'{"id": "a"}\n', "ndjson"),
        ("RC_2006-01", b"  \n{}", "ndjson"),
        ("RC_2006-01", b"this is nothing\n", "ndjson"),
        ("RC_2006-01", b"", "ndjson"),
        ("export-000", b"body,score_hidden,id\r\n1", "csv"),
        ("export-000", b'\xef\xbb\xbf"id","body"\n', "csv"),
        ("export-000.csv.gz", b"1,2\n", "csv"),
        ("export-000", b"PAR1\x15", "parquet"),
    ],
)
def test_the_format_is_told_by_the_content(name: str, head: bytes, wanted: str) -> None:
    assert source_format(name, head) == wanted
