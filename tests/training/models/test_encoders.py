import subprocess
import sys
from typing import Any

import pytest

from tests.training.made import PREDICTIONS, SEQ, TOKENS
from threadmill.training.models.presets import PRESETS


def test_model_has_the_parameters_that_its_preset_tells(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["model"]["parameters"] == PRESETS["bert-tiny"].parameters(TOKENS, SEQ)


def test_heads_give_logits_at_the_masked_positions_and_of_the_next_sentence(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["model"]["outputs"] == {
        "masked_lm": ["float32", 2, PREDICTIONS, TOKENS],
        "next_sentence": ["float32", 2, 2],
    }


def test_model_without_next_sentence_has_neither_pooler_nor_second_head(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["model without next sentence"]

    assert facts["parameters"] == PRESETS["bert-tiny"].parameters(TOKENS, SEQ, next_sentence=False)
    assert list(facts["outputs"]) == ["masked_lm"]


def test_roberta_has_the_parameters_that_its_preset_tells(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["roberta"]

    assert facts["parameters"] == PRESETS["roberta-tiny"].parameters(TOKENS, SEQ, next_sentence=False)
    assert facts["outputs"] == {"masked_lm": ["float32", 2, PREDICTIONS, TOKENS]}


def test_roberta_gives_the_logits_of_kerashubs_own(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["roberta"]

    assert facts["KerasHub's parameters"] == facts["parameters"]
    assert facts["difference from KerasHub's"] < 1e-6


def test_saved_roberta_loads_with_its_embedding_shared(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["roberta"]

    assert facts["difference when loaded"] == 0
    assert facts["parameters when loaded"] == facts["parameters"]


@pytest.mark.slow
def test_base_as_built_has_its_published_size() -> None:
    program = (
        "import os; os.environ.update(KERAS_BACKEND='tensorflow', TF_CPP_MIN_LOG_LEVEL='3')\n"
        "from threadmill.training.models.encoders import build_model\n"
        "from threadmill.training.models.presets import PRESETS\n"
        "print(build_model(PRESETS['bert-base'], 30522, 512, 0.1).count_params())\n"
        "print(build_model(PRESETS['roberta-base'], 50265, 512, 0.1, next_sentence=False).count_params())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert [int(line) for line in done.stdout.split()] == [110_106_428, 124_695_129]
