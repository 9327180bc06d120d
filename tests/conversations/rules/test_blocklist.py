from pathlib import Path

import pytest

from tests.conversations.rules.frames import breaks
from threadmill.errors import ConfigError


@pytest.fixture
def blocklist(tmp_path: Path) -> str:
    path = tmp_path / "words.txt"
    path.write_text("# of no use\ndarn\nbad  phrase\nc++\nÜbel\n")
    return str(path)


@pytest.mark.parametrize("body", ["Darn it", "a BAD phrase.", "bad\nphrase", "I write c++!", "wie übel", "darn"])
def test_listed_words_and_phrases_are_found(body: str, blocklist: str) -> None:
    assert breaks("blocklist", body, blocklist=blocklist)


@pytest.mark.parametrize("body", ["darning", "badphrase", "bad other phrase", "übelkeit", "c + +", "of no use"])
def test_parts_of_words_are_not(body: str, blocklist: str) -> None:
    assert not breaks("blocklist", body, blocklist=blocklist)


def test_a_list_without_words_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="lists no words"):
        breaks("blocklist", "text", blocklist=str(tmp_path / "words.txt"))
