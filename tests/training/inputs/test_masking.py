from pathlib import Path

from tests.training.made import make_records, make_vocabulary, roberta
from threadmill.training.inputs.masking import MaskingRules, decode_rules, encode_rules, masking_rules

SHARDS = {"train-00000-of-00001.tfrecord": 1}


def test_rules_are_those_of_the_vocabulary(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)
    records = make_records(tmp_path / "records", vocabulary, SHARDS, kind=roberta, objective="roberta")

    assert masking_rules(records, vocabulary.uri) == MaskingRules(0.15, mask_id=4, special_ids=(0, 1, 2, 3, 4))


def test_rules_outlive_a_file() -> None:
    rules = MaskingRules(0.3, 1, (0, 1, 2), whole_words=True, continuations=(3, 7))

    assert decode_rules(encode_rules(rules)) == rules
