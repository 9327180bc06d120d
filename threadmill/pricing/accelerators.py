"""TPU slices by the names that they are asked for: their generation and their chips."""

import re
from dataclasses import dataclass
from math import prod

from threadmill.errors import ConfigError

# Prefixes of Cloud TPU's accelerator types: the generation, and what the number behind counts for one chip.
# https://cloud.google.com/tpu/docs/supported-tpu-configurations: TensorCores up to v4 and of v5p, chips of v5e and v6e.
_TYPES = {"v2": ("v2", 2), "v3": ("v3", 2), "v4": ("v4", 2), "v5litepod": ("v5e", 1), "v5p": ("v5p", 2), "v6e": ("v6e", 1)}
_MACHINES = {"ct5lp": "v5e", "ct5p": "v5p", "ct6e": "v6e", "ct4p": "v4"}  # of Vertex AI's and Compute Engine's machine types
_DEVICES_A_CHIP = {"v2": 2, "v3": 2}  # as backends list them, and as peaks are told


@dataclass(frozen=True)
class Slice:
    """Chips that work together.

    Attributes:
        generation: v2, v3, v4, v5e, v5p, v6e.
        chips: in all its hosts.
    """

    generation: str
    chips: int

    def peak_flops(self, precision: str) -> float:
        """The published peak of all chips together, FLOP/s, of computation in "bfloat16" or "float32"."""
        from threadmill.training.runs.utilisation import peak_flops

        devices = self.chips * _DEVICES_A_CHIP.get(self.generation, 1)
        return peak_flops(f"TPU {self.generation}", devices, precision)


def slice_of(accelerator_type: str) -> Slice:
    """The slice that Cloud TPU calls ``accelerator_type``, such as v5litepod-8.

    Raises:
        ConfigError: no such type is known.
    """
    found = re.fullmatch(r"([a-z0-9]+)-(\d+)", accelerator_type)
    if found and found[1] in _TYPES:
        generation, a_chip = _TYPES[found[1]]
        chips = int(found[2]) // a_chip
        if chips:
            return Slice(generation, chips)
    known = ", ".join(f"{prefix}-N" for prefix in _TYPES)
    raise ConfigError(f"the TPU type {accelerator_type} is not known; set THREADMILL_TPU_TYPE to one of {known}")


def generation_of(name: str) -> str:
    """The generation of an accelerator type, such as v5litepod-8, or of a machine type, such as ct5lp-hightpu-8t.

    Raises:
        ConfigError: neither is known.
    """
    return _MACHINES.get(name.split("-")[0]) or slice_of(name).generation


def vertex_slice(machine_type: str, topology: str) -> Slice:
    """The slice of a Vertex AI custom job, such as ct5lp-hightpu-8t and 2x4.

    Raises:
        ConfigError: no such machine type is known, or the topology is none.
    """
    generation = _MACHINES.get(machine_type.split("-")[0])
    if generation is None:
        known = ", ".join(_MACHINES)
        raise ConfigError(
            f"the machine type {machine_type} has no TPU that is known; set THREADMILL_VERTEX_MACHINE_TYPE ({known})"
        )
    if not re.fullmatch(r"\d+(x\d+){0,2}", topology):
        raise ConfigError(f"the TPU topology {topology!r} is none; set THREADMILL_VERTEX_TOPOLOGY, such as 2x4")
    return Slice(generation, prod(int(side) for side in topology.split("x")))
