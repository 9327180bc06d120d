import pytest

from threadmill.errors import ConfigError
from threadmill.training.models.presets import PRESETS, check_model


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # Encoder and pooler, V 30,522 and S 512: the counts of the released checkpoints.
        ("bert-tiny", 4_385_920),
        ("bert-mini", 11_170_560),
        ("bert-small", 28_763_648),
        ("bert-base", 109_482_240),
        ("bert-large", 335_141_888),
        ("qarib", 109_482_240),
    ],
)
def test_encoder_has_the_published_number_of_parameters(name: str, published: int) -> None:
    width = PRESETS[name].hidden_dim
    heads = (width * width + 3 * width + 30522) + (2 * width + 2)

    assert PRESETS[name].parameters(30522, 512) - heads == published


def test_base_with_both_heads_has_110_million_parameters() -> None:
    assert PRESETS["bert-base"].parameters(30522, 512) == 110_106_428


@pytest.mark.parametrize(
    ("name", "vocabulary_size", "published"),
    [
        # KerasHub's counts of its RoBERTa backbones. Hugging Face's, 124,645,632 and 355,359,744, add a pooler, two
        # positions that padding leaves unused, and an embedding of the one segment.
        ("roberta-base", 50265, 124_052_736),
        ("roberta-large", 50265, 354_307_072),
        # Four layers of base's.
        ("allegro-roberta", 30000, 124_052_736 - 8 * 7_087_872 - (50265 - 30000) * 768),
    ],
)
def test_roberta_encoder_has_the_published_number_of_parameters(name: str, vocabulary_size: int, published: int) -> None:
    width = PRESETS[name].hidden_dim
    head = width * width + 3 * width + vocabulary_size

    assert PRESETS[name].parameters(vocabulary_size, 512, next_sentence=False) - head == published
    heads, positions, segment = width * width + width, 2 * width, width
    if name == "roberta-base":
        assert published + heads + positions + segment == 124_645_632
    if name == "roberta-large":
        assert published + heads + positions + segment == 355_359_744


def test_heads_are_64_wide() -> None:
    assert {preset.hidden_dim / preset.num_heads for preset in PRESETS.values()} == {64}
    assert (PRESETS["allegro-roberta"].num_layers, PRESETS["allegro-roberta"].num_heads) == (4, 12)


def test_model_that_does_not_learn_the_records_objective_is_refused_with_both_named() -> None:
    check_model("roberta-tiny", "roberta", 512)
    check_model("bert-tiny", "roberta", 512)

    with pytest.raises(ConfigError, match=r"the model roberta-tiny does not learn the objective bert .* use one of bert-tiny, "):
        check_model("roberta-tiny", "bert", 128)


def test_records_longer_than_the_model_takes_are_refused_with_both_named() -> None:
    with pytest.raises(ConfigError, match=r"the records have 513 tokens, and the model bert-base takes 512 at most"):
        check_model("bert-base", "bert", 513)
