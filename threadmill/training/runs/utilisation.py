"""How much of the devices' peak a run takes: published peaks by the device's name, and a CPU's as measured."""

import re
import time
from dataclasses import dataclass

import numpy as np

_TERA = 1e12

# Dense peaks of one device as a backend lists it, in TFLOP/s: of bfloat16, and of float32 as the backends multiply it by
# default (on TPUs in bfloat16 passes, on Ampere GPUs and later in TF32). The first whose words are in the device's name counts.
# TPUs: Google's "TPU versions" pages (per chip; a v2 or v3 chip is two devices), of v4 lite JAX's own table (tpu_info.py).
# GPUs: NVIDIA's data sheets of each, half of what they state with sparsity. A T4 and a V100 have no bfloat16 units.
_PEAKS: tuple[tuple[str, float, float], ...] = (
    ("TPU v2", 22.5, 22.5),
    ("TPU v3", 61.5, 61.5),
    ("TPU v4 lite", 137.0, 137.0),
    ("TPU v4", 275.0, 275.0),
    ("TPU v5 lite", 197.0, 197.0),
    ("TPU v5litepod", 197.0, 197.0),
    ("TPU v5e", 197.0, 197.0),
    ("TPU v5", 459.0, 459.0),
    ("TPU v5p", 459.0, 459.0),
    ("TPU v6 lite", 918.0, 918.0),
    ("TPU v6e", 918.0, 918.0),
    ("H200 NVL", 835.5, 417.5),
    ("H200", 989.5, 494.5),
    ("GH200", 989.5, 494.5),
    ("H100 NVL", 835.5, 417.5),
    ("H100 PCIe", 756.5, 378.0),
    ("H100", 989.5, 494.5),
    ("A100", 312.0, 156.0),
    ("L4", 121.0, 60.0),
    ("V100-PCIE", 14.0, 14.0),
    ("V100", 15.7, 15.7),
    ("T4", 8.1, 8.1),
)
_MEASURED_SIZE = 1024
_MEASURED_TIMES = 3


@dataclass(frozen=True)
class Cost:
    """What a training sequence takes, and what there is.

    Attributes:
        tokens: of a sequence, padding too; 0 where it is not known.
        flops: floating point operations of a sequence's forward and backward pass; 0 where they are not known.
        peak: of all devices together, FLOP/s; 0 where it is not known.
    """

    tokens: int = 0
    flops: float = 0.0
    peak: float = 0.0

    def curves(self, sequences_per_second: float) -> dict[str, float]:
        """What TensorBoard shows of a rate, by the names of the curves."""
        curves = {"sequences_per_second": sequences_per_second}
        if self.tokens:
            curves["tokens_per_second"] = sequences_per_second * self.tokens
        if self.flops and self.peak:
            curves["model_flops_utilisation"] = round(sequences_per_second * self.flops / self.peak, 4)
        return curves


def peak_flops(name: str, count: int, precision: str) -> float:
    """The peak of ``count`` devices, FLOP/s; 0 where none is published.

    Args:
        name: what the backend calls the device, such as "TPU v4" or "NVIDIA H100 80GB HBM3"; "cpu" for this machine's, all
            cores together, which is measured in a tenth of a second.
        precision: of the computation, "bfloat16" or "float32".
    """
    if name.lower() == "cpu":
        return _measured()
    for words, bfloat16, float32 in _PEAKS:
        if re.search(rf"\b{words}\b", name, re.IGNORECASE):
            return count * _TERA * (bfloat16 if precision == "bfloat16" else float32)
    return 0.0


def _measured() -> float:
    """Of float32 matrix products with NumPy, whose library takes all cores: the best of three."""
    matrix = np.ones((_MEASURED_SIZE, _MEASURED_SIZE), np.float32)
    best = float("inf")
    for _ in range(_MEASURED_TIMES):
        begin = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - begin)
    return 2 * _MEASURED_SIZE**3 / best
