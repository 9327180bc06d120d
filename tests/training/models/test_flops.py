import pytest

from threadmill.training.models.flops import training_flops
from threadmill.training.models.presets import PRESETS, ModelSizes


@pytest.mark.parametrize(("length", "predictions", "giga"), [(64, 10, 34.5), (128, 20, 69.9), (512, 76, 300.9)])
def test_bert_base_takes_what_was_measured_of_it(length: int, predictions: int, giga: float) -> None:
    sizes = ModelSizes(30522, length, next_sentence=True)

    assert training_flops(PRESETS["bert-base"], sizes, predictions) == pytest.approx(giga * 1e9, rel=0.002)


def test_gpt2_takes_six_operations_a_parameter_and_token_and_those_of_attention() -> None:
    # Chowdhery et al. 2022, appendix B: 6 N + 12 L H Q T a token, N without positions.
    preset, sizes = PRESETS["gpt2"], ModelSizes(50257, 1024)
    matrices = preset.parameters(sizes) - 1024 * 768
    attention = 12 * preset.num_layers * preset.hidden_dim * 1024

    assert training_flops(preset, sizes) == pytest.approx(1024 * (6 * matrices + attention), rel=0.001)


def test_encoder_decoder_takes_six_operations_a_token_and_parameter_that_it_passes() -> None:
    preset, sizes = PRESETS["blender-3b"], ModelSizes(8008, 128, 64)
    width = preset.hidden_dim
    layer, cross = 4 * width**2 + 8 * width**2, 2 * width**2
    source = (preset.encoder_layers * layer + preset.num_layers * cross) * 128
    target = (preset.num_layers * (layer + cross) + width * 8008) * 64
    attention = 12 * width * (preset.encoder_layers * 128**2 + preset.num_layers * (64**2 + 64 * 128))

    assert training_flops(preset, sizes) == 6 * (source + target) + attention
