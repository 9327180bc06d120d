from collections.abc import Iterator
from pathlib import Path

import pytest

from threadmill.errors import ConfigError
from threadmill.settings import Settings, get_settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No THREADMILL_* variable but those a test sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"THREADMILL_{name.upper()}", raising=False)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


def test_nothing_needs_to_be_set() -> None:
    settings = get_settings()
    assert settings.root == str(Path.home() / "threadmill")
    assert (settings.platform, settings.workers, settings.memory_limit, settings.reddit_source) == ("local", 0, "1GB", "sample")
    assert settings.cache == str(Path.home() / "threadmill" / "cache")


def test_the_cache_lies_below_the_root_unless_it_is_set(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("THREADMILL_ROOT", "/data/threadmill")
    assert get_settings().cache == "/data/threadmill/cache"
    get_settings.cache_clear()
    environment.setenv("THREADMILL_CACHE", "/scratch")
    assert get_settings().cache == "/scratch"


def test_variables_set_them(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("THREADMILL_ROOT", "/data/threadmill")
    environment.setenv("THREADMILL_WORKERS", "3")
    environment.setenv("THREADMILL_MEMORY_LIMIT", "1.5 GiB")
    settings = get_settings()
    assert (settings.root, settings.workers, settings.memory_limit) == ("/data/threadmill", 3, "1.5 GiB")


def test_an_empty_variable_is_as_good_as_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("THREADMILL_ROOT", "")
    environment.setenv("THREADMILL_WORKERS", "")
    assert get_settings().root == str(Path.home() / "threadmill")
    assert get_settings().workers == 0


@pytest.mark.parametrize(
    ("name", "value"), [("WORKERS", "-1"), ("WORKERS", "many"), ("MEMORY_LIMIT", "lots"), ("PLATFORM", "moon")]
)
def test_a_value_of_no_use_is_told_with_its_variable(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(f"THREADMILL_{name}", value)
    with pytest.raises(ConfigError) as raised:
        get_settings()
    message = str(raised.value)
    assert message.startswith(f"THREADMILL_{name}={value!r}: ")
    assert message.endswith("; set another value")
    assert "\n" not in message
