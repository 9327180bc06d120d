"""Lines as the compiled encoders take them."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.datasets.arrow_text import text_buffers


def flat_lines(lines: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The UTF-8 (uint8) and the n + 1 bounds of a large_string array; never writable, which would be a kernel of its own."""
    data, offsets = text_buffers(lines)
    data, offsets = data.view(), offsets.view()
    data.flags.writeable = offsets.flags.writeable = False
    return data, offsets
