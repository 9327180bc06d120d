from typing import Any

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import FileEntry, Manifest
from threadmill.reports.pretraining import records_table, vocabulary_rows


def manifest_of(stage: str, config: dict[str, Any], statistics: dict[str, Any]) -> Manifest:
    shards = (FileEntry("vocab.txt", 512, 1, "0" * 64),)
    return Manifest(stage, stage, 1, config, (), (), shards, Counters(1, 1, 1), statistics=statistics)


def records_of(config: dict[str, Any], **splits: dict[str, int]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The description and the rows."""
    table = records_table(manifest_of("records", config, {"splits": splits}))
    assert table.splits == tuple(splits)
    return table.description, dict(table.rows)


def test_roberta_without_masks_says_that_they_are_drawn_later() -> None:
    config = {"objective": "roberta", "max_seq_length": 100, "max_predictions_per_seq": 15, "masked_lm_prob": 0.15}
    sums = {"instances": 10, "tokens": 900, "padding": 100}
    description, rows = records_of({**config, "static_masking": False}, train=sums)
    assert description == "Objective roberta: 100 tokens, 15% of the tokens masked, 15 at most, anew each time they are read"
    assert rows == {"instances": ("10",), "tokens": ("900",), "tokens an instance": ("90.0",), "padding": ("10.0%",)}
    description, rows = records_of({**config, "static_masking": True, "do_whole_word_mask": True}, train={**sums, "masked": 135})
    assert description.endswith("15% of the words masked, 15 at most")
    assert rows["masked tokens"] == ("15.0%",)


def test_sequence_to_sequence_tells_its_pairs_and_what_was_cut() -> None:
    config = {"objective": "seq2seq", "max_seq_length": 128, "max_target_length": 64, "dupe_factor": 2, "compression": "gzip"}
    sums = {"instances": 4, "pairs": 40, "truncated_contexts": 10, "truncated_responses": 1, "tokens": 960, "padding": 320}
    description, rows = records_of(config, train=sums, validation={**sums, "truncated_contexts": 0})
    assert description == "Objective seq2seq: 128 tokens and 64, 2 passes over each training document, gzip"
    assert rows["pairs of context and response"] == ("40", "40")
    assert rows["contexts cut"] == ("25.0%", "0.0%")
    assert rows["responses cut"] == ("2.5%", "2.5%")
    assert rows["padding"] == ("25.0%", "25.0%")


def test_causal_records_tell_the_sequences_packed() -> None:
    sums = {"instances": 2, "segments": 7, "tokens": 200, "padding": 56}
    description, rows = records_of({"objective": "causal", "max_seq_length": 128}, train=sums)
    assert description == "Objective causal: 128 tokens"
    assert rows["sequences packed"] == ("7",)


def test_a_figure_that_one_split_lacks_is_left_empty() -> None:
    config = {"objective": "bert", "max_seq_length": 8}
    _, rows = records_of(config, train={"instances": 2, "tokens": 8, "masked": 2}, test={"instances": 0, "tokens": 0})
    assert rows["padding"] == ("50.0%", "")
    assert rows["masked tokens"] == ("25.0%", "")


def test_a_manifest_that_measured_nothing_is_told_as_far_as_it_goes() -> None:
    assert records_table(manifest_of("records", {}, {})).rows == ()
    assert vocabulary_rows(manifest_of("vocabulary", {}, {})) == [("kind", "wordpiece"), ("entries", "512")]


def test_a_vocabulary_of_no_held_out_words_has_no_rates() -> None:
    held_out = {"source": "sample", "lines": 0, "words": 0, "unknown_words": 0, "unknown_rate": None, "tokens_per_word": None}
    config = {"kind": "bytelevel-bpe", "form": "", "lowercase": False, "vocab_size": 512}
    names = dict(vocabulary_rows(manifest_of("vocabulary", config, {"entries": 512, "held_out": held_out})))
    assert names["kind"] == "bytelevel-bpe, cased"
    assert names["entries"] == "512"
    assert names["held out"] == "0 lines of the sample"
    assert names["held-out words"] == "0"
    assert not {"of these [UNK]", "tokens a word"} & names.keys()
