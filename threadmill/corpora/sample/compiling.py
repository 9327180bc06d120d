# mypy: disable-error-code="no-untyped-def,no-untyped-call,misc"
"""What makes the compiled loops of the sample world fast: no reference counts, and the machine's own memcpy."""

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# Options of all its loops. They make no arrays, so the counting of references, atomic and so a bottleneck between threads, is
# left out: that is a third of the time.
kernel = njit(nogil=True, cache=True, _nrt=False)  # type: ignore[call-overload]


@intrinsic
def copy_bytes(context, target, at, source, start, count):
    """``target[at:at + count] = source[start:start + count]`` for uint8 arrays that don't overlap; nothing is checked.

    Several times faster than a loop over indices, even for a few bytes.
    """
    signature = types.void(target, types.int64, source, types.int64, types.int64)

    def generate(code, builder, signature, arguments):
        into, at, origin, start, count = arguments
        into = code.make_array(signature.args[0])(code, builder, into).data
        origin = code.make_array(signature.args[2])(code, builder, origin).data
        cgutils.raw_memcpy(builder, builder.gep(into, [at]), builder.gep(origin, [start]), count, 1)
        return code.get_dummy_value()

    return signature, generate
