"""The accelerator types of Cloud TPU: what their names tell. https://cloud.google.com/tpu/docs/supported-tpu-configurations

Runtime versions that go with them (https://cloud.google.com/tpu/docs/runtimes): v5litepod with v2-alpha-tpuv5-lite, v5p with
v2-alpha-tpuv5, v6e with v2-alpha-tpuv6e, v2 to v4 with tpu-ubuntu2204-base: plain Ubuntu, on which the start-up script installs
JAX with its libtpu. (TensorFlow's own images have a TensorFlow older than ours, built for TPU: `tensorflow-tpu` stops at 2.20.)
"""

import re

from threadmill.errors import ConfigError

_BY_CHIPS = frozenset({"v5litepod", "v6e"})  # the number counts chips; elsewhere cores, two a chip
_ONE_HOST = 8  # the number of the largest type with one host, in both ways to count
_PATTERN = re.compile(r"(v\d+[a-z]*)-(\d+)")


def chips(accelerator_type: str) -> int:
    """The chips of a type, such as 8 for v5litepod-8 and 4 for v4-8.

    Raises:
        ConfigError: it is no type of Cloud TPU.
    """
    match = _PATTERN.fullmatch(accelerator_type)
    if match is None:
        raise ConfigError(f"THREADMILL_TPU_TYPE is {accelerator_type!r}, which is no type of TPU; set one such as v5litepod-8")
    return int(match[2]) if match[1] in _BY_CHIPS else max(1, int(match[2]) // 2)


def check_one_host(accelerator_type: str) -> None:
    """Raises ConfigError where a TPU of this type has several hosts: a run trains in one process."""
    count = chips(accelerator_type)
    if int(accelerator_type.rpartition("-")[2]) > _ONE_HOST:
        raise ConfigError(
            f"THREADMILL_TPU_TYPE is {accelerator_type}, whose {count} chips are on several hosts, and a run trains on one; set "
            f"a type of up to {_ONE_HOST}, such as {accelerator_type.rpartition('-')[0]}-{_ONE_HOST}"
        )
