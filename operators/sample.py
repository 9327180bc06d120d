"""The sample world as a source, for runs that name none."""

import tempfile

from threadmill.datasets import storage
from threadmill.settings import get_settings

SAMPLE = "sample"


def sample_dump(comments: int, month: str) -> str:
    """The path of the sample world's dump of ``month``, written where it is not there yet."""
    from threadmill.corpora.sample import write_sample

    folder = storage.join(get_settings().root, "sources", f"sample-{comments}")
    path = storage.join(folder, f"RC_{month}.zst")
    if storage.exists(path):
        return path
    if storage.is_local(folder):
        write_sample(folder, comments=comments, start=month)
        return path
    with tempfile.TemporaryDirectory() as made:
        for file in write_sample(made, comments=comments, start=month):
            storage.copy(str(file), storage.join(folder, file.name))
    return path
