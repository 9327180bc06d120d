import pytest

from threadmill.errors import ConfigError
from threadmill.training.models.presets import LEARNT, PRESETS, SMALLEST, ModelSizes, check_model


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
def test_bert_encoder_has_the_published_number_of_parameters(name: str, published: int) -> None:
    width = PRESETS[name].hidden_dim
    heads = (width * width + 3 * width + 30522) + (2 * width + 2)

    assert PRESETS[name].parameters(ModelSizes(30522, 512, next_sentence=True)) - heads == published


def test_base_with_both_heads_has_110_million_parameters() -> None:
    assert PRESETS["bert-base"].parameters(ModelSizes(30522, 512, next_sentence=True)) == 110_106_428


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

    assert PRESETS[name].parameters(ModelSizes(vocabulary_size, 512)) - head == published
    heads, positions, segment = width * width + width, 2 * width, width
    if name == "roberta-base":
        assert published + heads + positions + segment == 124_645_632
    if name == "roberta-large":
        assert published + heads + positions + segment == 355_359_744


@pytest.mark.parametrize(
    ("name", "vocabulary_size", "positions", "published"),
    [
        # ParlAI prints it when it loads zoo:blender/blender_90M (54,944 words, 512 positions); 87.5 M in Roller et al. 2020.
        ("blender-90m", 54944, 512, 87_508_992),
        # Those of transformers' BlenderbotForConditionalGeneration with the dimensions of the released 400M-distill, 1B-distill
        # and 3B: 360 M, 1.4 B and 2.7 B as ParlAI's model zoo calls them.
        ("blender-400m", 8008, 128, 364_802_560),
        ("blender-1b", 8008, 128, 1_437_393_920),
        ("blender-3b", 8008, 128, 2_696_268_800),
    ],
)
def test_encoder_decoder_has_the_published_number_of_parameters(
    name: str, vocabulary_size: int, positions: int, published: int
) -> None:
    assert PRESETS[name].parameters(ModelSizes(vocabulary_size, positions, positions)) == published


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # The released models', 50,257 tokens and 1,024 positions. (The paper's own counts, 117 M and so on, are wrong.)
        ("gpt2", 124_439_808),
        ("gpt2-medium", 354_823_168),
        ("gpt2-large", 774_030_080),
        ("gpt2-xl", 1_557_611_200),
    ],
)
def test_gpt2_has_the_published_number_of_parameters(name: str, published: int) -> None:
    assert PRESETS[name].parameters(ModelSizes(50257, 1024)) == published


def test_both_stacks_of_an_encoder_decoder_have_positions_for_the_longer_side() -> None:
    tiny = PRESETS["blender-tiny"]

    assert tiny.parameters(ModelSizes(1000, 32, 64)) == tiny.parameters(ModelSizes(1000, 64, 16))
    assert tiny.parameters(ModelSizes(1000, 65, 64)) == tiny.parameters(ModelSizes(1000, 64, 64)) + 2 * tiny.hidden_dim


def test_heads_are_64_wide_but_for_those_of_blenderbot() -> None:
    widths = {name: preset.hidden_dim / preset.num_heads for name, preset in PRESETS.items()}

    assert {width for name, width in widths.items() if not name.startswith("blender")} == {64}
    assert [widths[f"blender-{size}"] for size in ("tiny", "90m", "400m", "1b", "3b")] == [64, 32, 40, 80, 80]
    assert (PRESETS["allegro-roberta"].num_layers, PRESETS["allegro-roberta"].num_heads) == (4, 12)


def test_each_objective_has_a_smallest_model_that_learns_it() -> None:
    assert list(SMALLEST) == ["bert", "roberta", "seq2seq", "causal"]
    for objective, name in SMALLEST.items():
        assert objective in LEARNT[PRESETS[name].architecture]


def test_model_that_does_not_learn_the_records_objective_is_refused_with_those_that_do() -> None:
    check_model("roberta-tiny", "roberta", 512)
    check_model("bert-tiny", "roberta", 512)
    check_model("gpt2", "causal", 1024)
    check_model("blender-3b", "seq2seq", 128, 64)

    with pytest.raises(ConfigError, match=r"the model roberta-tiny does not learn the objective bert .* use one of bert-tiny, "):
        check_model("roberta-tiny", "bert", 128)
    with pytest.raises(
        ConfigError, match=r"gpt2 does not learn the objective seq2seq .* use one of blender-tiny, .* for causal$"
    ):
        check_model("gpt2", "seq2seq", 128, 64)
    with pytest.raises(ConfigError, match=r"blender-tiny does not learn the objective causal .* use one of gpt-tiny, gpt2, "):
        check_model("blender-tiny", "causal", 128)


def test_records_longer_than_the_model_takes_are_refused_with_both_named() -> None:
    refused = r"the records have 513 tokens \(max_seq_length\), and the model bert-base takes 512 at most; .* 512 or less$"
    with pytest.raises(ConfigError, match=refused):
        check_model("bert-base", "bert", 513)
    with pytest.raises(ConfigError, match=r"513 tokens \(max_target_length\), and the model blender-tiny takes 512 at most"):
        check_model("blender-tiny", "seq2seq", 128, 513)
    with pytest.raises(ConfigError, match=r"1025 tokens \(max_seq_length\), and the model gpt2 takes 1024 at most"):
        check_model("gpt2", "causal", 1025)
