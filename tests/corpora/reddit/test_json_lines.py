import datetime
import json
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.corpora.reddit.comments import SCHEMA, TOMBSTONES, DeadLetter
from threadmill.corpora.reddit.dump import Block
from threadmill.corpora.reddit.json_lines import parse_block, parse_lines

TIME = 1_134_365_188
COMMENT = {
    "id": "c1",
    "parent_id": "t1_c0",
    "link_id": "t3_17863",
    "subreddit": "reddit.com",
    "author": "ann",
    "body": "a comment",
    "score": 3,
    "created_utc": TIME,
    "is_submitter": True,
    "distinguished": None,
}
BAD = b"this is no JSON"


def parse(*lines: bytes, first_line: int = 1, source_row: int = 0) -> tuple[pl.DataFrame, list[DeadLetter]]:
    return parse_block(Block(b"".join(line + b"\n" for line in lines), first_line, len(lines)), source_row)


def line(**changed: Any) -> bytes:
    return json.dumps({**COMMENT, **changed}).encode()


def row(**changed: Any) -> dict[str, Any]:
    frame, letters = parse(line(**changed))
    assert letters == []
    return frame.row(0, named=True)


texts = st.text(st.characters(exclude_categories=("Cs",)))
ids = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=13)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def good_comments(draw: st.DrawFn) -> dict[str, Any]:
    """Comments with the drift of twenty years of dumps (field by field in reddit.md)."""
    seconds = draw(st.integers(1_119_484_800, 4_102_444_799))
    times = [seconds, str(seconds), float(seconds), seconds + 0.75, f"{seconds}.0", f" {seconds} "]
    comment: dict[str, Any] = {
        "id": draw(ids),
        "link_id": draw(st.sampled_from(["t3_", ""])) + draw(ids),
        "body": draw(texts | st.sampled_from(sorted(TOMBSTONES))),
        "created_utc": draw(st.sampled_from(times)),
    }
    drifting = {
        "parent_id": st.none() | st.sampled_from(["t1_", "t3_"]).flatmap(lambda kind: ids.map(lambda name: kind + name)),
        "subreddit": st.none() | texts,
        "author": st.none() | texts,
        "score": st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | st.integers(-999, 999).map(str),
        "is_submitter": st.none() | st.booleans(),
        "distinguished": st.none() | st.sampled_from(["moderator", "admin"]),
        "edited": st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.just("false"),
        "_meta": st.dictionaries(texts, json_values, max_size=2),
        "retrieved_on": st.none() | st.integers(),
    }
    for name, values in drifting.items():
        if draw(st.booleans()):
            comment[name] = draw(values)
    names = draw(st.permutations(sorted(comment)))
    return {name: comment[name] for name in names}


@st.composite
def written(draw: st.DrawFn, values: st.SearchStrategy[dict[str, Any]]) -> tuple[dict[str, Any], bytes]:
    """A comment and its JSON: with raw or escaped characters (surrogate pairs too), with or without spaces."""
    comment = draw(values)
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : ")]))
    text = json.dumps(comment, ensure_ascii=draw(st.booleans()), separators=separators)
    return comment, draw(st.sampled_from(["", "  "])).encode() + text.encode() + draw(st.sampled_from([b"", b"\r", b" "]))


def expected_row(comment: dict[str, Any], source_row: int) -> dict[str, Any]:
    parent = comment.get("parent_id") or comment["link_id"]
    score = comment.get("score")
    created = datetime.datetime.fromtimestamp(math.floor(float(comment["created_utc"])), datetime.UTC)
    return {
        "id": comment["id"],
        "parent_id": parent.removeprefix("t1_").removeprefix("t3_"),
        "parent_kind": "comment" if parent.startswith("t1_") else "submission",
        "thread_id": comment["link_id"].removeprefix("t3_"),
        "subreddit": comment.get("subreddit"),
        "author": comment.get("author"),
        "body": comment["body"],
        "score": None if score is None else score if isinstance(score, int) else int(float(score)),
        "created_utc": created,
        "is_submitter": comment.get("is_submitter"),
        "distinguished": comment.get("distinguished"),
        "removal": TOMBSTONES.get(comment["body"]),
        "month": created.strftime("%Y-%m"),
        "source_row": source_row,
    }


@settings(max_examples=60)
@given(lines=st.lists(written(good_comments()), min_size=1, max_size=6), bad_line=st.booleans())
def test_good_lines_give_their_rows_whatever_the_year_and_the_neighbours(
    lines: list[tuple[dict[str, Any], bytes]], bad_line: bool
) -> None:
    frame, letters = parse(*(text for _, text in lines), *([BAD] if bad_line else []), first_line=11, source_row=1 << 40)
    rows = [expected_row(comment, (1 << 40) + 11 + index) for index, (comment, _) in enumerate(lines)]
    assert frame.to_dicts() == rows
    assert [(letter.line, letter.reason) for letter in letters] == [(11 + len(lines), "malformed JSON")] * bad_line


@st.composite
def odd_comments(draw: st.DrawFn) -> dict[str, Any]:
    comment = draw(good_comments())
    for name in draw(st.sets(st.sampled_from([*COMMENT, "other"]), max_size=3)):
        comment[name] = draw(json_values)
    return comment


@settings(max_examples=40)
@given(st.lists(written(odd_comments()), min_size=1, max_size=5))
def test_what_becomes_of_a_line_of_odd_types_does_not_depend_on_its_neighbours(lines: list[tuple[dict[str, Any], bytes]]) -> None:
    content = [text for _, text in lines]
    together = parse(*content)
    beside_a_bad_one = parse(*content, BAD)
    alone = [parse(text, first_line=number) for number, text in enumerate(content, 1)]
    assert together[0].equals(beside_a_bad_one[0])
    assert together[1] == beside_a_bad_one[1][:-1]
    assert together[0].equals(pl.concat([frame for frame, _ in alone]))
    assert together[1] == [letter for _, letters in alone for letter in letters]


@settings(max_examples=60)
@given(
    text=written(good_comments()),
    spoils=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 10_000),
)
def test_a_spoilt_line_is_kept_or_told_never_lost(
    text: tuple[dict[str, Any], bytes], spoils: list[tuple[int, int]], cut: int
) -> None:
    spoilt = bytearray(text[1])
    for position, value in spoils:
        spoilt[position % len(spoilt)] = value if value != 0x0A else 0x0B
    for candidate in (bytes(spoilt), text[1][: cut % len(text[1])]):
        frame, letters = parse(line(id="before"), candidate, line(id="after"))
        assert frame["id"].to_list()[:: frame.height - 1] == ["before", "after"]
        assert frame.height + len(letters) == 3
        assert [letter.line for letter in letters] in ([], [2])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"", "blank line"),
        (b" \t\r", "blank line"),
        (b"{", "malformed JSON"),
        (line()[:-1], "malformed JSON"),
        (line() + b"x", "malformed JSON"),
        (line() + line(), "malformed JSON"),
        (line(id="c9").replace(b'"a comment"', b'"a\tcomment"'), "malformed JSON"),
        (line().replace(b"a comment", b"\xff"), "not UTF-8"),
        (line(other=1).replace(b"1}", b'"\xed\xa0\x80"}'), "not UTF-8"),
        (line(body="X").replace(b"X", rb"\ud83d"), "lone surrogate"),
        (line(body="X").replace(b"X", rb"\ude00 x"), "lone surrogate"),
        (line(body="X").replace(b"X", rb"\ud83d\u0041"), "lone surrogate"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"{}", "no id"),
        (line(id=None), "no id"),
        (line(link_id=None), "no link_id"),
        (line(body=None), "no body"),
        (line(created_utc=None), "no created_utc"),
        (line(id=""), "malformed id"),
        (line(id="t1_c1"), "malformed id"),
        (line(id="c1\n"), "malformed id"),
        (line(id="C1"), "malformed id"),
        (line(link_id="t3_"), "malformed link_id"),
        (line(link_id="../x"), "malformed link_id"),
        (line(created_utc=0), "absurd time"),
        (line(created_utc="yesterday"), "absurd time"),
        (line(created_utc=TIME * 1000), "absurd time"),
        (line(created_utc=True), "absurd time"),
    ],
)
def test_a_bad_line_becomes_a_dead_letter_with_its_number_and_reason(bad: bytes, reason: str) -> None:
    frame, letters = parse(line(id="before"), bad, line(id="after"), first_line=7)
    assert frame["id"].to_list() == ["before", "after"]
    assert frame["source_row"].to_list() == [7, 9]
    assert [(letter.line, letter.reason) for letter in letters] == [(8, reason)]
    assert letters[0].text == bad.decode(errors="replace")[:200]


def test_what_is_malformed_is_shown() -> None:
    _, letters = parse(line(id="C1"), line(created_utc=5), line(link_id="no/id"))
    assert [letter.detail for letter in letters] == ["C1", "5", "no/id"]


def test_a_line_over_the_limit_is_a_dead_letter() -> None:
    frame, letters = parse_block(Block(b'{"id": "c1", "body": "aaa', 5, 1, too_long=True), 0)
    assert frame.height == 0
    assert frame.schema == parse(line())[0].schema
    assert [(letter.line, letter.reason, letter.text) for letter in letters] == [
        (5, "line too long", '{"id": "c1", "body": "aaa')
    ]


def test_blocks_without_a_good_line_have_the_schema_too() -> None:
    assert parse(BAD)[0].schema == parse(line())[0].schema


def test_the_columns_are_those_of_the_schema() -> None:
    frame, _ = parse(line())
    assert tuple(frame.columns) == tuple(field.name for field in SCHEMA)
    arrow = frame.to_arrow()
    for field in SCHEMA:
        assert str(arrow.schema.field(field.name).type).replace("tz=", "").replace("large_", "") in (field.type, "string_view")


def test_ids_of_digits_stay_text() -> None:
    assert row(id="0123", link_id="t3_007")["id"] == "0123"
    assert row(id="0123", link_id="t3_007")["thread_id"] == "007"


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("t1_c0", ("c0", "comment")),
        ("t3_17863", ("17863", "submission")),
        (None, ("17863", "submission")),
    ],
)
def test_the_parent_is_told_without_its_prefix(parent: str | None, expected: tuple[str, str]) -> None:
    found = row(parent_id=parent)
    assert (found["parent_id"], found["parent_kind"]) == expected


@pytest.mark.parametrize(
    ("body", "removal"),
    [
        ("[deleted]", "author"),
        ("[removed]", "moderator"),
        ("[ Removed by Reddit ]", "reddit"),
        ("[ Removed by reddit in response to a copyright notice. ]", "copyright"),
        ("[deleted] but not quite", None),
        (" [deleted]", None),
        ("deleted", None),
        ("", None),
    ],
)
def test_a_tombstone_is_the_whole_body(body: str, removal: str | None) -> None:
    assert row(body=body)["removal"] == removal


def test_the_month_is_that_of_utc() -> None:
    first = int(datetime.datetime(2006, 1, 1, tzinfo=datetime.UTC).timestamp())
    assert [row(created_utc=first + shift)["month"] for shift in (-1, -0.5, 0, 1)] == ["2005-12", "2005-12", "2006-01", "2006-01"]


def test_escapes_are_read_as_the_characters_they_stand_for() -> None:
    text = line(body="X").replace(b"X", rb"\ud83d\ude00 \u00e9 \\ud83d \u0000 \" \n")
    assert parse(text)[0]["body"].to_list() == ['😀 é \\ud83d \0 " \n']


def test_a_byte_order_mark_costs_no_line() -> None:
    frame, letters = parse(b"\xef\xbb\xbf" + line(id="c1"), line(id="c2"))
    assert (frame["id"].to_list(), letters) == (["c1", "c2"], [])


@st.composite
def submissions(draw: st.DrawFn) -> dict[str, Any]:
    """Submissions with the drift of their dumps."""
    submission: dict[str, Any] = {
        "id": draw(ids),
        "title": draw(texts | st.sampled_from(sorted(TOMBSTONES))),
        "created_utc": draw(st.integers(1_119_484_800, 4_102_444_799) | st.just(str(TIME))),
    }
    for name, values in {
        "selftext": st.none() | texts | st.sampled_from(["", *TOMBSTONES]),
        "subreddit": st.none() | texts,
        "author": st.none() | texts,
        "score": st.none() | st.integers(-99, 99),
        "name": ids.map(lambda name: f"t3_{name}"),
        "body": st.none(),
        "promoted": st.booleans(),
        "_meta": st.dictionaries(st.sampled_from(["removal_type", "x"]), st.sampled_from(["deleted", "removed", "reddit", None])),
        "media": json_values,
    }.items():
        if draw(st.booleans()):
            submission[name] = draw(values)
    return submission


@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(written(good_comments() | odd_comments() | submissions()), min_size=1, max_size=5),
    spoils=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 10_000), st.integers(0, 255)), max_size=2),
    month=st.sampled_from(["", "2005-12"]),
)
def test_compiled_code_takes_lines_as_the_exact_reading_does(
    lines: list[tuple[dict[str, Any], bytes]], spoils: list[tuple[int, int, int]], month: str
) -> None:
    content = [bytearray(text) for _, text in lines]
    for number, position, value in spoils:
        line = content[number % len(content)]
        line[position % len(line)] = value if value != 0x0A else 0x22
    block = Block(b"".join(bytes(line) + b"\n" for line in content), 1, len(content))
    frame, letters = parse_block(block, 5, month)
    exact, exact_letters = parse_lines([(number, bytes(line)) for number, line in enumerate(content, 1)], 5, month)
    assert frame.equals(exact)
    assert frame.schema == exact.schema
    assert letters == exact_letters


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.sampled_from('{}[]",:\\ut0123456789.-+eE falsrn\u00e9dD8'), max_size=30)
    | json_values.map(json.dumps)
    | st.integers(1, 300).map(lambda depth: "[" * depth + "]" * depth)
)
def test_compiled_code_takes_only_valid_json(value: str) -> None:
    text = line(other="X").replace(b'"X"', value.encode())
    frame, letters = parse(text)
    exact, exact_letters = parse_lines([(1, text)], 0, "")
    assert (frame.equals(exact), letters) == (True, exact_letters)


@pytest.mark.parametrize(
    "value",
    ["1e999", "-1e400", "1" * 400, "1" * 290 + "e99", "0.5e-999", "1e308", "1" * 199, "-" + "1" * 200, "1e0000000001"]
    + [f'0, "created_utc": {TIME - 1}.{fraction}' for fraction in ("999999", "9999999", "99999999999", "0")]
    + [r'0, "body": "[removed]", "_meta": {"removal_type": "d\u0065leted"}'],
)
def test_compiled_code_takes_numbers_and_escapes_as_the_exact_reading_does(value: str) -> None:
    text = line(other="X").replace(b'"X"', value.encode())
    frame, letters = parse(text)
    exact, exact_letters = parse_lines([(1, text)], 0, "")
    assert (frame.equals(exact), letters) == (True, exact_letters)


@pytest.mark.parametrize(
    ("title", "selftext", "body", "removal"),
    [
        ("A title", None, "A title", None),
        ("A title", "", "A title", None),
        ("A title", "Its text", "A title\n\nIts text", None),
        ("Two\nlines\r\nor three", "Its\ntext", "Two lines  or three\n\nIts\ntext", None),
        ("A title", "[deleted]", "A title", None),
        ("A title", "[removed]", "A title", None),
        ("[deleted by user]", "[removed]", "[deleted by user]", "author"),
        ("[removed]", "Its text", "[removed]", "moderator"),
        ("[ Removed by Reddit ]", None, "[ Removed by Reddit ]", "reddit"),
    ],
)
def test_a_line_with_a_title_and_no_body_is_a_submission(
    title: str, selftext: str | None, body: str, removal: str | None
) -> None:
    submission = {"id": "17863", "title": title, "selftext": selftext, "created_utc": TIME, "author": None, "promoted": True}
    frame, letters = parse(json.dumps(submission).encode(), line())
    assert letters == []
    found = frame.row(0, named=True)
    assert {name: found[name] for name in ("id", "thread_id", "parent_id", "parent_kind", "body", "removal", "subreddit")} == {
        "id": "17863",
        "thread_id": "17863",
        "parent_id": None,
        "parent_kind": "none",
        "body": body,
        "removal": removal,
        "subreddit": None,
    }
    assert frame["parent_kind"].to_list() == ["none", "comment"]


@pytest.mark.parametrize(
    ("body", "meta", "removal"),
    [
        ("[removed]", {"removal_type": "deleted"}, "author"),
        ("[deleted]", {"removal_type": "removed", "was_initially_deleted": True}, "moderator"),
        ("[removed]", {"removal_type": "removed by reddit"}, "moderator"),
        ("[ Removed by Reddit ]", {"removal_type": "removed"}, "reddit"),
        ("[removed]", {"x": {"removal_type": "deleted"}}, "moderator"),
        ("[removed]", None, "moderator"),
        ("the text is there", {"removal_type": "deleted", "was_deleted_later": True}, None),
    ],
)
def test_meta_tells_by_whom_a_text_was_removed_and_takes_none_that_is_there(body: str, meta: Any, removal: str | None) -> None:
    found = row(body=body, _meta=meta)
    assert (found["body"], found["removal"]) == (body, removal)


@pytest.mark.parametrize(
    ("parent", "link", "expected"),
    [
        (33287847232, "t3_17863", ("faiq3b4", "comment", "17863")),
        (33287847232.0, "t3_17863", ("faiq3b4", "comment", "17863")),
        ("33287847232", "t3_17863", ("faiq3b4", "comment", "17863")),
        (int("17863", 36), "t3_17863", ("17863", "submission", "17863")),
        (int("17863", 36), int("17863", 36), ("17863", "submission", "17863")),
        (0, "t3_17863", ("0", "comment", "17863")),
        ("", "t3_17863", ("17863", "submission", "17863")),
        (None, "17863", ("17863", "submission", "17863")),
        ("17863", "17863", ("17863", "submission", "17863")),
        ("c0", "17863", ("c0", "comment", "17863")),
        ("123", "17863", ("123", "comment", "17863")),  # texts of digits are ids as they are
    ],
)
def test_parents_of_extracts_come_in_base_10_without_a_prefix_or_not_at_all(
    parent: Any, link: Any, expected: tuple[str, str, str]
) -> None:
    found = row(parent_id=parent, link_id=link)
    assert (found["parent_id"], found["parent_kind"], found["thread_id"]) == expected


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"id": True}, "malformed id"),
        ({"id": 1.5}, "malformed id"),
        ({"id": ["c1"]}, "malformed id"),
        ({"link_id": {}}, "malformed link_id"),
        ({"parent_id": True}, "malformed parent_id"),
        ({"parent_id": "t1_"}, "malformed parent_id"),
        ({"body": ["text"]}, "no body"),
        ({"created_utc": [TIME]}, "absurd time"),
    ],
)
def test_fields_of_a_type_that_cannot_be_meant_are_told(changed: dict[str, Any], reason: str) -> None:
    frame, letters = parse(line(**changed))
    assert (frame.height, [letter.reason for letter in letters]) == (0, [reason])


def test_fields_of_odd_types_are_read_as_what_they_mean() -> None:
    found = row(
        id=123, body=45, score="7", is_submitter="True", author=9, subreddit=["s"], edited="false", created_utc=f"{TIME}.9"
    )
    assert {name: found[name] for name in ("id", "body", "score", "is_submitter", "author", "subreddit")} == {
        "id": "123",
        "body": "45",
        "score": 7,
        "is_submitter": True,
        "author": "9",
        "subreddit": None,
    }
    assert found["created_utc"].timestamp() == TIME


def test_lines_of_another_month_are_dead_letters_with_the_month_that_they_are_of() -> None:
    lines = [line(id="a"), line(id="b", created_utc=1_136_073_600), line(id="c", created_utc=1_136_073_599.5)]
    block = Block(b"".join(text + b"\n" for text in lines), 1, 3)
    frame, letters = parse_block(block, 0, "2005-12")
    assert frame["id"].to_list() == ["a", "c"]
    assert [(letter.line, letter.reason, letter.detail) for letter in letters] == [(2, "wrong month", "2006-01")]


@pytest.mark.parametrize("drift", [[], ["author_cakeday"], ["x" * 300], [f"n{number}" for number in range(300)]])
def test_names_that_come_and_go_from_line_to_line_change_nothing(drift: list[str]) -> None:
    lines = []
    for number in range(40):
        extra = dict.fromkeys(drift, number) if number % 3 == 0 else {}
        names = list({**extra, **COMMENT}) if number % 2 else list({**COMMENT, **extra})
        comment = {**COMMENT, **extra, "id": f"c{number}", "body": "x" * number}
        lines.append(json.dumps({name: comment[name] for name in names}).encode())
    frame, letters = parse(*lines)
    assert letters == []
    assert frame.select("id", "body", "author").rows() == [(f"c{number}", "x" * number, "ann") for number in range(40)]
