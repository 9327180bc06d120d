import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.rules.frames import broken_rules, comments
from tests.conversations.worlds import bodies
from threadmill.conversations.config import PRESETS, ConversationsConfig
from threadmill.conversations.rules import RULES, fault_names, prepare
from threadmill.corpora.reddit.comments import TOMBSTONES


@given(st.lists(bodies(), min_size=1, max_size=8), st.sampled_from(sorted(PRESETS)), st.integers(0, 8))
def test_each_row_is_judged_alone(texts: list[str], preset: str, cut: int) -> None:
    """So that comments can be prepared as they are read, in blocks of any size."""
    config = PRESETS[preset].conversations
    frame = comments(*({"body": text, "removal": TOMBSTONES.get(text), "author": text[:9]} for text in texts))
    whole = prepare(frame, config)
    assert whole.equals(pl.concat([prepare(frame[:cut], config), prepare(frame[cut:], config)]))
    assert whole.columns == [*frame.columns, "faults"]
    assert whole["faults"].dtype == pl.UInt64
    assert whole.drop("faults", "body").equals(frame.drop("body"))


def test_scores_below_the_limit_break_a_rule_but_unknown_ones_do_not() -> None:
    frame = comments({"score": 0}, {"score": 1}, {"score": None}, {"score": -(1 << 40)})
    assert broken_rules(frame, min_score=1) == [["score"], [], [], ["score"]]
    assert broken_rules(frame) == [[], [], [], []]


def test_a_comment_may_break_several_rules() -> None:
    frame = comments({"body": "SEE http://example.com", "author": "AutoModerator", "score": 0})
    assert broken_rules(frame, drop_urls=True, drop_bots=True, min_score=1, max_length=5, min_length=1) == [
        ["too_long", "bot", "score", "url"]
    ]


def test_no_two_rules_have_one_name() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert fault_names(ConversationsConfig()) == tuple(names)


@pytest.mark.parametrize(
    ("self_text", "expected"), [(False, "A title &gt; none"), (True, "A title &gt; none\n\nand its text &amp; more")]
)
def test_a_submissions_text_is_its_title_unless_more_is_wanted(self_text: bool, expected: str) -> None:
    frame = comments(
        {"parent_kind": "none", "parent_id": None, "body": "A title &gt; none\n\nand its text &amp; more"},
        {"body": "a comment\nof two lines"},
    )
    prepared = prepare(frame, ConversationsConfig(titles=True, self_text=self_text, unescape_html=False))
    assert prepared["body"].to_list() == [expected, "a comment\nof two lines"]


def test_a_title_that_was_removed_is_a_tombstone() -> None:
    frame = comments({"parent_kind": "none", "body": "[deleted by user]\n\nbut a text"}, {"body": "[deleted by user]"})
    assert broken_rules(frame, titles=True) == [["tombstone"], []]
