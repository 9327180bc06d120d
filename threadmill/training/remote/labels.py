"""The labels of accelerators: ours, and those of the settings."""

from threadmill.cloud.identity import RunIdentity, label_value
from threadmill.errors import ConfigError
from threadmill.settings import get_settings


def resource_labels(identity: RunIdentity) -> dict[str, str]:
    """Labels of what works for ``identity``.

    Raises:
        ConfigError: the setting `labels` is not KEY=VALUE,...
    """
    labels = {}
    for part in filter(None, (part.strip() for part in get_settings().labels.split(","))):
        key, sign, value = part.partition("=")
        if not sign or not key.strip():
            raise ConfigError(f"THREADMILL_LABELS has {part!r}, which is not KEY=VALUE; set KEY=VALUE, several with commas")
        labels[label_value(key.strip())] = label_value(value.strip())
    return {**labels, **identity.labels()}
