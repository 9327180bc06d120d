"""Reads datasets that Hugging Face's library saved to disk (save_to_disk), without that library: Arrow files and their lists."""

from collections.abc import Iterator
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.errors import InputError

_DICT, _STATE = "dataset_dict.json", "state.json"
_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}


def is_saved_dataset(uri: str) -> bool:
    """True for a folder that save_to_disk has written, of one split or of several."""
    return storage.exists(storage.join(uri, _DICT)) or storage.exists(storage.join(uri, _STATE))


def arrow_files(uri: str) -> Iterator[tuple[str, str, str]]:
    """The Arrow files of a saved dataset: each one's name, URI and split.

    Where there are splits for validation or testing, they are kept, and "train" with them; all else is "": to be split.

    Raises:
        InputError: a list that is no JSON, a file that it names is missing, or rows that are chosen by an index.
    """
    if not storage.exists(storage.join(uri, _DICT)):
        yield from ((name, file, "") for name, file in _of_one_split(uri))
        return
    names = list(_json(storage.join(uri, _DICT)).get("splits", []))
    keep = any(_SPLITS.get(name) in ("validation", "test") for name in names)
    for split in names:
        for name, file in _of_one_split(storage.join(uri, split)):
            yield f"{split}/{name}", file, _SPLITS.get(split, "") if keep else ""


def _of_one_split(uri: str) -> Iterator[tuple[str, str]]:
    state = _json(storage.join(uri, _STATE))
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise InputError(f"{uri}: its rows are chosen by an index; save it again after `dataset.flatten_indices()`")
    for entry in state.get("_data_files", []):
        file = storage.join(uri, entry["filename"])
        if storage.size(file) < 0:
            raise InputError(f"{file} is missing, which {_STATE} names; copy the dataset again")
        yield entry["filename"], file


def _json(uri: str) -> dict[str, Any]:
    try:
        return dict(orjson.loads(storage.read_bytes(uri)))
    except FileNotFoundError:
        raise InputError(f"{uri} is missing; copy the dataset again") from None
    except (ValueError, TypeError):
        raise InputError(f"{uri} is not the JSON that save_to_disk writes; copy the dataset again") from None
