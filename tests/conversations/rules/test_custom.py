import sys
from pathlib import Path

import polars as pl
import pytest

from tests.conversations.rules.frames import broken_rules, comments
from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rules import prepare
from threadmill.conversations.rules.custom import COLUMNS
from threadmill.datasets.digest import config_json
from threadmill.errors import ConfigError

RULE = """
import polars as pl

def about_cats(comments):
    return comments["body"].str.contains("cat")

def popular(comments):
    return (comments["score"] > 100).to_numpy()

def nothing(comments):
    return [None] * comments.height
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    path = tmp_path / "my_rules.py"
    path.write_text(RULE)
    return str(path)


def test_functions_of_a_file_are_rules_with_their_names(module: str) -> None:
    frame = comments({"body": "a cat"}, {"body": "a dog"}, {"body": "a cat", "score": 101}, {"score": 101})
    rules = f"{module}:about_cats, {module}:popular,{module}:nothing"
    assert broken_rules(frame, rules=rules) == [["about_cats"], [], ["about_cats", "popular"], ["popular"]]


def test_functions_of_a_package_are_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "a_package_of_rules" / "within"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("raise ImportError('not before it is used')")
    (package / "cats.py").write_text(RULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    config = ConversationsConfig(rules="a_package_of_rules.within.cats:about_cats")
    assert len(config.rule_digests) == 1
    assert "a_package_of_rules" not in sys.modules
    (package / "__init__.py").write_text("")
    frame = comments({"body": "a cat"}, {"body": "a dog"})
    assert broken_rules(frame, rules="a_package_of_rules.within.cats:about_cats") == [["about_cats"], []]


def test_a_changed_source_is_another_config(module: str) -> None:
    before = config_json(ConversationsConfig(rules=f"{module}:about_cats"))
    assert config_json(ConversationsConfig(rules=f"{module}:about_cats")) == before
    Path(module).write_text(RULE.replace("cat", "dog"))
    assert config_json(ConversationsConfig(rules=f"{module}:about_cats")) != before


def test_a_rule_sees_what_is_documented_in_its_final_form(tmp_path: Path) -> None:
    path = tmp_path / "seen.py"
    path.write_text(f"def seen(comments):\n    comments.write_parquet({str(tmp_path / 'seen.parquet')!r})\n    return [True]\n")
    frame = comments({"body": "&gt; a@example.com"}).with_columns(month=pl.lit("2006-01"))
    assert broken_rules(frame, rules=f"{path}:seen", personal_data="mask") == [["seen"]]
    seen = pl.read_parquet(tmp_path / "seen.parquet")
    assert seen.columns == list(COLUMNS)
    assert seen["body"].to_list() == ["> [EMAIL]"]


@pytest.mark.parametrize(
    "result",
    [
        "pl.Series([judged(body) for body in comments['body']])",  # of Null type where all are null, or none is there
        "np.array(['cat' in body for body in comments['body']])",
        "[np.bool_('cat' in body) for body in comments['body']]",
    ],
)
def test_pieces_without_comments_or_without_a_breach_need_no_care(tmp_path: Path, result: str) -> None:
    path = tmp_path / "careless.py"
    judged = "def judged(body):\n    return True if 'cat' in body else None\n"
    path.write_text(f"import numpy as np\nimport polars as pl\n\n{judged}\ndef rule(comments):\n    return {result}\n")
    assert broken_rules(comments({"body": "a cat"}), rules=f"{path}:rule") == [["rule"]]
    assert broken_rules(comments(), rules=f"{path}:rule") == []
    assert broken_rules(comments({"body": "a dog"}), rules=f"{path}:rule") == [[]]


def test_a_file_of_rules_may_hold_dataclasses(tmp_path: Path) -> None:
    path = tmp_path / "classes.py"
    fields = "from dataclasses import dataclass\n\n@dataclass\nclass Word:\n    text: str\n"
    path.write_text(
        f"from __future__ import annotations\n\n{fields}\n"
        "def rule(comments):\n    return comments['body'].str.contains(Word('cat').text)\n"
    )
    assert broken_rules(comments({"body": "a cat"}, {"body": "a dog"}), rules=f"{path}:rule") == [["rule"], []]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return [True]", "returned 1 values for 2 comments; return one for each"),
        ("return comments['score']", "returned a series of Int64; return a boolean series"),
        ("return 'yes'", "returned str; return a boolean series"),
        ("return ['yes', 'no']", "returned list; return a boolean series"),
        ("return np.zeros((2, 2), bool)", "returned a series of bool; return a boolean series"),
        ("return comments['bodies']", "failed: ColumnNotFoundError"),
        ("raise ValueError('one line\\nand another')", "failed: ValueError: one line; mend the function"),
    ],
)
def test_what_a_rule_does_wrong_is_told_in_a_line(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(f"import numpy as np\n\ndef rule(comments):\n    {body}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        broken_rules(comments({}, {}), rules=f"{path}:rule")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import a_module_that_is_not_there", "cannot be imported: ModuleNotFoundError"),
        ("def (", "cannot be imported: SyntaxError"),
        ("other = 1", "has no function rule"),
        ("rule = 1", "has no function rule"),
    ],
)
def test_a_module_of_no_use_is_told_in_a_line(tmp_path: Path, source: str, message: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(source)
    with pytest.raises(ConfigError, match=message) as caught:
        broken_rules(comments({}), rules=f"{path}:rule")
    assert "\n" not in str(caught.value)


def test_a_rule_that_changes_while_it_is_used_is_an_error(module: str) -> None:
    config = ConversationsConfig(rules=f"{module}:about_cats")
    Path(module).write_text(RULE + "\n# changed\n")
    with pytest.raises(ConfigError, match="was changed while the run went on"):
        prepare(comments({}), config)
