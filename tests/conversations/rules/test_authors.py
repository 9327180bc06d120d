from pathlib import Path

import pytest

from tests.conversations.rules.frames import broken_rules, comments


def is_bot(author: str | None, **settings: object) -> bool:
    (broken,) = broken_rules(comments({"author": author}), **settings)
    assert broken in ([], ["bot"])
    return bool(broken)


@pytest.mark.parametrize(
    "author",
    [
        "AutoModerator",
        "automoderator",
        "TotesMessenger",
        "Mentioned_Videos",
        "b0trank",
        "haiku_bot",
        "Sum-BOT2",
        "SomethingBot",
        "bot_of",
    ],
)
def test_known_bots_and_names_of_bots_are_found(author: str) -> None:
    assert is_bot(author, drop_bots=True)
    assert not is_bot(author)


@pytest.mark.parametrize("author", ["Talbot", "turbot", "robotics", "ann", "Abbott", "robot_lover", "bot", "[deleted]", None])
def test_people_are_not(author: str | None) -> None:
    assert not is_bot(author, drop_bots=True)


def test_the_users_own_list_counts_too(tmp_path: Path) -> None:
    (tmp_path / "bots.txt").write_text("# mine\nSpammer1\n\nu/Spammer2\n")
    settings = {"bots": f"Third, {tmp_path}/bots.txt"}
    found = [author for author in ("spammer1", "SPAMMER2", "third", "fourth", "AutoModerator") if is_bot(author, **settings)]
    assert found == ["spammer1", "SPAMMER2", "third"]
    assert is_bot("AutoModerator", drop_bots=True, **settings)
