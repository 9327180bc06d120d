import pytest

from threadmill.training.presets import PRESETS


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # Encoder and pooler, V 30,522 and S 512: the counts of the released checkpoints.
        ("bert-tiny", 4_385_920),
        ("bert-mini", 11_170_560),
        ("bert-small", 28_763_648),
        ("bert-base", 109_482_240),
        ("bert-large", 335_141_888),
    ],
)
def test_encoder_has_the_published_number_of_parameters(name: str, published: int) -> None:
    width = PRESETS[name].hidden_dim
    heads = (width * width + 3 * width + 30522) + (2 * width + 2)

    assert PRESETS[name].parameters(30522, 512) - heads == published


def test_base_with_both_heads_has_110_million_parameters() -> None:
    assert PRESETS["bert-base"].parameters(30522, 512) == 110_106_428
