from typing import Any


def test_bytes_depend_on_the_model_alone(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["export"]

    assert facts["equal bytes"]
    assert not facts["equal bytes as saved"]  # or this test would show nothing


def test_export_is_one_keras_file(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["export"]["files"] == ["model.keras"]
    assert tensorflow_facts["export"]["entries"] == ["config.json", "metadata.json", "model.weights.h5"]


def test_loaded_model_gives_the_same_logits_and_still_shares_its_embedding(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["export"]["difference"] == 0
    assert tensorflow_facts["export"]["parameters"] == 0
