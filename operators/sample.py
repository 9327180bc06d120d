"""The sample world as a source, for runs that name none."""

import os

from threadmill.datasets.storage import join
from threadmill.settings import get_settings

SAMPLE = "sample"


def sample_dump(comments: int, month: str) -> str:
    """The path of the sample world's dump of ``month``, written where it is not there yet."""
    from threadmill.corpora.sample import write_sample

    folder = join(get_settings().root, "sources", f"sample-{comments}")
    path = join(folder, f"RC_{month}.zst")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        write_sample(folder, comments=comments, start=month)
    return path
