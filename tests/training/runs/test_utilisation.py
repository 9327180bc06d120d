import pytest

from threadmill.training.runs.utilisation import Cost, peak_flops


@pytest.mark.parametrize(
    ("name", "count", "precision", "tera"),
    [
        ("NVIDIA H200", 1, "bfloat16", 989.5),
        ("NVIDIA H100 80GB HBM3", 8, "bfloat16", 8 * 989.5),
        ("NVIDIA H100 PCIe", 1, "float32", 378),
        ("NVIDIA A100-SXM4-40GB", 1, "bfloat16", 312),
        ("NVIDIA L4", 1, "bfloat16", 121),
        ("NVIDIA L40S", 1, "bfloat16", 0),  # another, of which nothing is noted
        ("Tesla V100-SXM2-16GB", 1, "float32", 15.7),
        ("Tesla V100-PCIE-32GB", 1, "float32", 14),
        ("Tesla T4", 1, "float32", 8.1),
        ("Quadro T400", 1, "float32", 0),
        ("TPU v3", 8, "bfloat16", 4 * 123),  # the eight cores of the four chips of a v3-8
        ("TPU v4", 4, "bfloat16", 1100),
        ("TPU v4 lite", 1, "bfloat16", 137),
        ("TPU v5 lite", 1, "bfloat16", 197),
        ("TPU v5litepod", 1, "bfloat16", 197),
        ("TPU v5p", 1, "bfloat16", 459),
        ("TPU v6 lite", 1, "bfloat16", 918),
        ("an abacus", 1, "float32", 0),
    ],
)
def test_peaks_are_those_published(name: str, count: int, precision: str, tera: float) -> None:
    assert peak_flops(name, count, precision) == pytest.approx(tera * 1e12)


def test_peak_of_a_cpu_is_measured() -> None:
    assert 1e9 < peak_flops("cpu", 4, "float32") < 1e14  # however many virtual devices it is taken for


def test_curves_of_a_rate() -> None:
    cost = Cost(tokens=128, flops=70e9, peak=989.5e12)

    assert cost.curves(7000.0) == {
        "sequences_per_second": 7000.0,
        "tokens_per_second": 896_000.0,
        "model_flops_utilisation": pytest.approx(0.4952),
    }
    assert list(Cost().curves(7000.0)) == ["sequences_per_second"]  # nothing is made up
