"""The labels of all that we make at Google Cloud: those of the task, and those of the setting."""

from threadmill.cloud.identity import PREFIX, RunIdentity, label_value
from threadmill.errors import ConfigError
from threadmill.settings import get_settings


def all_labels(identity: RunIdentity) -> dict[str, str]:
    """The labels of the setting, and over them the task's own.

    Raises:
        ConfigError: THREADMILL_LABELS is not KEY=VALUE,..., or has a label of ours
    """
    return {**settings_labels(), **identity.labels()}


def settings_labels() -> dict[str, str]:
    """The labels of the setting alone, of what is no run's; raises as `all_labels`."""
    labels = {}
    for pair in filter(None, (part.strip() for part in get_settings().labels.split(","))):
        key, equals, value = pair.partition("=")
        if not equals or label_value(key) != key or not key[:1].isalpha() or label_value(value) != value:
            raise ConfigError(
                f"THREADMILL_LABELS has {pair!r}; write KEY=VALUE of lower-case letters, digits, - and _, several with commas"
            )
        if key.startswith(f"{PREFIX}_"):
            raise ConfigError(
                f"THREADMILL_LABELS has {pair!r}; name another, by labels of {PREFIX}_ the janitor knows whose work it is"
            )
        labels[key] = value
    return labels
