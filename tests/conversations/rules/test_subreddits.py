from pathlib import Path

from tests.conversations.rules.frames import broken_rules, comments

NAMES = ["News", "pics", "de", "France", None]


def wanted(**settings: str) -> list[str | None]:
    found = broken_rules(comments(*({"subreddit": name} for name in NAMES)), **settings)
    assert all(broken in ([], ["subreddit"]) for broken in found)
    return [name for name, broken in zip(NAMES, found, strict=True) if not broken]


def test_only_those_allowed_have_turns(tmp_path: Path) -> None:
    (tmp_path / "allowed.txt").write_text("r/DE\n")
    assert wanted(subreddits=f"news,/r/Pics,{tmp_path / 'allowed.txt'}") == ["News", "pics", "de"]


def test_those_to_skip_have_none() -> None:
    assert wanted(skip_subreddits="PICS") == ["News", "de", "France", None]
    assert wanted(skip_subreddits="@non-english,news") == ["pics", None]
    assert wanted(subreddits="news,pics", skip_subreddits="news") == ["pics"]
    assert wanted() == NAMES
