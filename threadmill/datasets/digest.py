"""SHA-256 digests of files and of JSON values in a canonical form."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import orjson

from threadmill.datasets import storage

_BLOCK = 1 << 20


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no white space: equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def json_digest(value: Any) -> str:
    """SHA-256 (hex) of ``value`` in canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def file_digest(uri: str) -> str:
    """SHA-256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with storage.open_read(uri) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def config_json(config: Any) -> dict[str, Any]:
    """A stage's config (a frozen dataclass or a mapping) as the JSON object that its manifest keeps."""
    value = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    if not isinstance(value, Mapping):
        raise TypeError(f"a config is a dataclass or a mapping, not {type(config).__name__}")
    return dict(orjson.loads(canonical_json(dict(value))))
