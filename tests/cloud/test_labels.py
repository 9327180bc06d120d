import pytest

from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.labels import all_labels, settings_labels
from threadmill.errors import ConfigError
from threadmill.settings import get_settings


def set_labels(monkeypatch: pytest.MonkeyPatch, labels: str) -> None:
    monkeypatch.setenv("THREADMILL_LABELS", labels)
    get_settings.cache_clear()


def test_labels_of_the_setting_are_beside_the_task_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = RunIdentity("reddit_refresh", "manual__1", "threads")
    set_labels(monkeypatch, " team=nlp, cost_centre=42 ,empty=,")

    assert settings_labels() == {"team": "nlp", "cost_centre": "42", "empty": ""}
    assert all_labels(identity) == {"team": "nlp", "cost_centre": "42", "empty": "", **identity.labels()}


def test_a_label_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    set_labels(monkeypatch, "team=nlp,threadmill_dag=other")
    with pytest.raises(ConfigError, match="THREADMILL_LABELS has 'threadmill_dag=other'; name another"):
        settings_labels()


@pytest.mark.parametrize("labels", ["team", "Team=x", "team=a b", "1=x", "=x", "a=b,team = x", f"team={'x' * 64}", "team=-x"])
def test_labels_of_no_use_are_refused(monkeypatch: pytest.MonkeyPatch, labels: str) -> None:
    set_labels(monkeypatch, labels)
    with pytest.raises(ConfigError, match=r"THREADMILL_LABELS has .*; write KEY=VALUE"):
        settings_labels()
