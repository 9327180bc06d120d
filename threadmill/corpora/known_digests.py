"""The SHA-256 of large sources in Cloud Storage, kept by generation below the root, so that each is read once for it."""

import hashlib
import logging

import orjson

from threadmill.datasets import storage
from threadmill.datasets.digest import canonical_json
from threadmill.errors import ThreadmillError
from threadmill.settings import get_settings

log = logging.getLogger(__name__)

_FOLDER = ".digests"
LARGE_BYTES = 64 * 1024 * 1024  # smaller ones are read again as fast


def known_digest(uri: str, generation: str) -> str:
    """The SHA-256 (hex) that this generation of a source was found to have; "" where it is not known."""
    if not storage.is_cloud(uri):
        return ""
    try:
        value = orjson.loads(storage.read_bytes(_place(uri)))
        return str(value["sha256"]) if (value["uri"], value["generation"]) == (uri, generation) else ""
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""


def keep_digest(uri: str, generation: str, digest: str) -> None:
    """Notes the SHA-256 of a large source; one that cannot be noted is read again the next time."""
    if not storage.is_cloud(uri) or storage.size(uri) < LARGE_BYTES:
        return
    try:
        storage.make_directory(storage.join(get_settings().root, _FOLDER))
        storage.write_bytes(_place(uri), canonical_json({"uri": uri, "generation": generation, "sha256": digest}))
    except (ThreadmillError, OSError) as error:
        log.warning("the SHA-256 of %s cannot be noted (%s)", uri, error)


def _place(uri: str) -> str:
    return storage.join(get_settings().root, _FOLDER, f"{hashlib.sha256(uri.encode()).hexdigest()[:32]}.json")
