import pytest

from threadmill.corpora.reddit.dump_names import month_of, refuse_two_of_a_month, source_name, source_stem
from threadmill.errors import InputError


@pytest.mark.parametrize(
    ("uri", "name", "stem", "month"),
    [
        ("/data/RC_2015-05.zst", "RC_2015-05.zst", "RC_2015-05", "2015-05"),
        ("RS_2015-05_part0.json.gz", "RS_2015-05_part0.json.gz", "RS_2015-05_part0", "2015-05"),
        ("https://ann:pw@example.org/a/RC_2015-05.bz2?key=1#sha256=0", "RC_2015-05.bz2", "RC_2015-05", "2015-05"),
        ("gs://bucket/2015-05/comments.zst", "comments.zst", "comments", ""),
        ("RC_2015-13.zst", "RC_2015-13.zst", "RC_2015-13", ""),
        ("RC_2015-051.zst", "RC_2015-051.zst", "RC_2015-051", ""),
        (".hidden", ".hidden", "source", ""),
    ],
)
def test_what_a_name_tells(uri: str, name: str, stem: str, month: str) -> None:
    assert (source_name(uri), source_stem(uri), month_of(uri)) == (name, stem, month)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("RC_2015-05.zst", "RC_2015-05.bz2"),
        ("a/RC_2015-05.zst", "b/RC_2015-05.zst"),
        ("RC_2015-05.zst", "https://example.org/rescan/RC_2015-05.zst?key=secret"),
        ("RS_2015-05.zst", "rescan/RS_2015-05.ndjson"),
    ],
)
def test_two_dumps_of_a_month_are_told_by_name(first: str, second: str) -> None:
    with pytest.raises(InputError) as caught:
        refuse_two_of_a_month(["RC_2015-04.zst", first, second])
    assert str(caught.value).startswith(f"{first} and {second.split('?')[0]} are two dumps of the same month; name one of them")


def test_a_source_named_twice_is_told() -> None:
    with pytest.raises(InputError, match=r"^x\.json and x\.json are the same, byte for byte; name one of them$"):
        refuse_two_of_a_month(["x.json", "x.json"])


def test_parts_other_kinds_and_names_without_a_month_are_fine() -> None:
    refuse_two_of_a_month(
        ["RC_2015-05_part0.zst", "RC_2015-05_part1.zst", "RS_2015-05.zst", "RC_2015-06.zst", "a/comments.csv", "b/comments.csv"]
    )
