import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.reference_pipeline import split_of
from threadmill.conversations.config import (
    PRESETS,
    SPLIT_RULES,
    SPLITS,
    ConversationsConfig,
    SplitRule,
    ThreadsConfig,
    find_preset,
)
from threadmill.conversations.rules_config import RulesConfig
from threadmill.datasets.digest import config_json
from threadmill.errors import ConfigError


def position(rule: SplitRule, thread_id: str) -> int:
    digest = hashlib.md5(thread_id.encode()).hexdigest()
    return int(digest[rule.first_digit - 1 :][: rule.digits], 16)


@given(st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=13), st.integers(0, 1000))
def test_the_polyai_rule_is_that_of_the_reference(thread_id: str, thousandths: int) -> None:
    rule = SPLIT_RULES["polyai"]
    train = position(rule, thread_id) < rule.edge(Fraction(thousandths, 1000))
    assert ("train" if train else "test") == split_of(thread_id, thousandths / 1000)


def test_the_edges_of_the_exact_rule_are_exact() -> None:
    rule = SPLIT_RULES["exact"]
    assert rule.edge(Fraction(0)) == 0
    assert rule.edge(Fraction(1)) == 16**15
    assert rule.edge(Fraction(1, 2)) == 16**15 // 2
    assert rule.edge(Fraction(9, 10)) == -(-(16**15) * 9 // 10)


def test_fractions_are_those_that_were_written() -> None:
    config = ThreadsConfig(train_split=0.7, validation_split=0.2, test_split=0.1)
    assert [config.fraction(split) for split in SPLITS] == [Fraction(7, 10), Fraction(2, 10), Fraction(1, 10)]
    assert 0.7 + 0.2 + 0.1 != 1


@pytest.mark.parametrize("splits", [(0.1, 0.2, 0.7), (1, 0, 0), (1.0, 0.0, 0.0), (0.999, 0.0005, 0.0005), (1e-7, 0.9999999, 0.0)])
def test_splits_that_add_up_are_taken(splits: tuple[float, float, float]) -> None:
    ThreadsConfig(train_split=splits[0], validation_split=splits[1], test_split=splits[2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_split": 0.8}, r"do not add up to 1: train 0\.8 \+ validation 0\.05 \+ test 0\.05 = 0\.9; change one"),
        ({"train_split": 1.0}, "do not add up to 1"),
        ({"train_split": -0.1, "test_split": 1.05}, "train_split is -0.1; it must be from 0 to 1"),
        ({"train_split": float("nan")}, "train_split is nan"),
        ({"train_split": "0.9"}, "train_split is '0.9'"),
        ({"num_shards_test": -1}, "num_shards_test is -1"),
        ({"num_shards_train": 100_000}, "num_shards_train is 100000"),
        ({"num_shards_train": 1.5}, "num_shards_train is 1.5"),
        ({"split_rule": "random"}, "split_rule is 'random'; use one of exact, polyai"),
        ({"month": "2006-13"}, "month is '2006-13'; write it as YYYY-MM"),
        ({"month": "January"}, "write it as YYYY-MM"),
    ],
)
def test_threads_settings_of_no_use_are_told_in_a_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        ThreadsConfig(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parent_depth": -1}, "parent_depth is -1; it must be from 1 to 100"),
        ({"parent_depth": 0}, "parent_depth is 0"),
        ({"max_length": 0}, "max_length is 0"),
        ({"min_length": -1}, "min_length is -1"),
        ({"max_length": 8}, r"max_length is 8; it must be at least min_length \(9\)"),
        ({"format": "csv"}, "format is 'csv'; use one of tfrecord, jsonl"),
        ({"failed_turn": "keep"}, "failed_turn is 'keep'; use one of cut, drop, subtree"),
        ({"personal_data": "hide"}, "personal_data is 'hide'; use one of keep, mask, drop"),
        ({"max_words": 3, "min_words": 4}, r"max_words is 3; it must be at least min_words \(4\)"),
        ({"languages": "english"}, "languages names 'english'; write ISO 639-1 codes"),
        ({"bots": "@known"}, "there is no list @known; use one of @known-bots, @non-english, names, or a file of names"),
        ({"subreddits": "none/there.txt"}, r"none/there.txt cannot be read \(No such file or directory\); check the path"),
        ({"blocklist": "words.txt"}, "words.txt cannot be read"),
        ({"rules": "my_rules"}, "rules names 'my_rules'; write it as package.module:function or path/to/file.py:function"),
        ({"rules": "no_such_package.rules:short"}, "no_such_package.rules:short, but there is no such module"),
        ({"rules": "no/such/file.py:short"}, "no/such/file.py:short, but there is no such module"),
        ({"rules": "sys:exit"}, "there is no such module"),
        ({"rules": "a.b:short,c.d:short"}, "rules names two functions short; rename one"),
    ],
)
def test_conversations_settings_of_no_use_are_told_in_a_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        ConversationsConfig(**settings)
    assert "\n" not in str(caught.value)


def test_extra_contexts_are_named_as_in_the_reference() -> None:
    assert ConversationsConfig().extra_contexts == tuple(f"context/{index}" for index in range(9))
    assert ConversationsConfig(parent_depth=1).extra_contexts == ()


def test_presets_are_found_by_name() -> None:
    assert find_preset("default").threads.validation_split == 0.05
    assert find_preset("polyai").conversations.cut_at_tombstones is False
    with pytest.raises(ConfigError, match="no preset 'polyia'; use one of default, polyai"):
        find_preset("polyia")


def test_what_a_setting_names_is_part_of_the_config_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("news\n")
    (tmp_path / "words.txt").write_text("darn\n")
    settings: dict[str, Any] = {"skip_subreddits": f"{tmp_path}/names.txt,pics", "blocklist": f"{tmp_path}/words.txt"}
    config = ConversationsConfig(**settings)
    assert [name for name, _ in config.rule_digests] == [f"{tmp_path}/names.txt", f"{tmp_path}/words.txt"]
    for name in ("names.txt", "words.txt"):
        before = ConversationsConfig(**settings)
        (tmp_path / name).write_text("other\n")
        assert replace(before, parent_depth=10) != before
        assert before.rule_digests != ConversationsConfig(**settings).rule_digests


def test_the_rules_of_polyai_are_off() -> None:
    config, off = PRESETS["polyai"].conversations, RulesConfig()
    assert {name: getattr(config, name) for name in vars(off)} == vars(off)


def test_configs_are_json_for_the_manifest() -> None:
    for preset in PRESETS.values():
        for config in (preset.threads, preset.conversations):
            value = config_json(config)
            assert json.loads(json.dumps(value)) == value
