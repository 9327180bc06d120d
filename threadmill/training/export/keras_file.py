"""The finished model as a Keras file whose bytes depend on the model alone."""

import os
import shutil
import zipfile
from typing import Any

import orjson

from threadmill.training.runs.workspace import MODEL_NAME

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold
_DATE = "1980-01-01@00:00:00"


def export_model(model: Any, folder: str) -> None:
    """Writes ``model.keras`` (architecture and weights, no optimizer) into ``folder``, made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    raw = os.path.join(folder, f"raw-{MODEL_NAME}")
    model.save(raw)
    canonicalise(raw, os.path.join(folder, MODEL_NAME))
    os.remove(raw)


def canonicalise(source: str, target: str) -> None:
    """Copies a Keras file less what changes from one save to the next: dates, and addresses used as object ids."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for entry in sorted(before.infolist(), key=lambda entry: entry.filename):
            info = zipfile.ZipInfo(entry.filename, _EPOCH)
            large = entry.file_size > zipfile.ZIP64_LIMIT // 2
            with before.open(entry) as content, after.open(info, "w", force_zip64=large) as copy:
                if entry.filename == "metadata.json":
                    copy.write(orjson.dumps({**orjson.loads(content.read()), "date_saved": _DATE}))
                elif entry.filename == "config.json":
                    copy.write(orjson.dumps(_renumbered(orjson.loads(content.read()), {})))
                else:
                    shutil.copyfileobj(content, copy, 1 << 20)


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """The value with each shared_object_id replaced by its number in the order of appearance."""
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(item, len(numbers)) if key == "shared_object_id" else _renumbered(item, numbers)
        for key, item in value.items()
    }
