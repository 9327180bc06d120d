from collections import Counter

import pytest

from tests.conversation_datasets import REAL_DATA, made_examples, write_conversations
from tests.pretraining.made_records import CLS, FIRST, MASK, PAD, SEP, make_records, read_split, write_text, write_vocabulary
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError
from threadmill.pretraining.config import CausalConfig, RobertaConfig
from threadmill.pretraining.inspect import inspect_records
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage
from threadmill.vocab.vocabulary import Vocabulary

DOCUMENTS = [[5, 9, 3, 40, 7], [4], [11, 2, 6], [30, 8]] * 20
WORDS = sum(map(sum, DOCUMENTS))
SMALL = RobertaConfig(max_seq_length=32, max_predictions_per_seq=5)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[str, str]:
    """The corpus and its vocabulary."""
    folder = tmp_path_factory.mktemp("roberta")
    return write_text(folder / "text.txt", DOCUMENTS), write_vocabulary(folder / "vocabulary", WORDS)


def tokens_of(record) -> list[int]:
    return record["input_ids"][: sum(record["input_mask"])]


def test_records_are_unmasked_and_hold_every_token_once(world, tmp_path):
    manifest = make_records(*world, tmp_path / "records", SMALL)
    records = read_split(tmp_path / "records")
    assert {field.name: field.type for field in manifest.schema} == {"input_ids": "int64[32]", "input_mask": "int64[32]"}
    assert sorted(token for record in records for token in tokens_of(record) if token not in (CLS, SEP)) == list(
        range(FIRST, FIRST + WORDS)
    )
    for record in records:
        tokens = tokens_of(record)
        assert (tokens[0], tokens[-1]) == (CLS, SEP)
        assert record["input_ids"][len(tokens) :] == [PAD] * (32 - len(tokens))
        assert MASK not in tokens


def test_statistics_are_the_sums_of_the_records(world, tmp_path):
    manifest = make_records(*world, tmp_path / "records", SMALL)
    records = read_split(tmp_path / "records")
    tokens = sum(sum(record["input_mask"]) for record in records)
    assert manifest.statistics["splits"] == {
        "train": {"instances": len(records), "tokens": tokens, "padding": 32 * len(records) - tokens}
    }
    assert manifest.counters.to_json() == {"read": 80, "kept": 80, "dropped": {}, "written": len(records)}


def test_doc_sentences_never_go_over_the_end_of_a_document(world, tmp_path):
    across, within = (
        make_records(*world, tmp_path / str(flag), RobertaConfig(max_seq_length=32, across_documents=flag))
        for flag in (True, False)
    )
    assert all(tokens_of(record).count(SEP) == 1 for record in read_split(tmp_path / "False"))
    assert any(tokens_of(record).count(SEP) > 1 for record in read_split(tmp_path / "True"))
    assert across.records < within.records


def test_static_masking_masks_each_pass_in_its_own_way(world, tmp_path):
    config = RobertaConfig(max_seq_length=32, max_predictions_per_seq=5, static_masking=True, dupe_factor=6)
    manifest = make_records(*world, tmp_path / "records", config)
    records = read_split(tmp_path / "records")
    places = {}
    seen = Counter()
    for record in records:
        labels = dict(zip(record["masked_lm_positions"], record["masked_lm_ids"], strict=True))
        masked = int(sum(record["masked_lm_weights"]))
        assert masked == min(5, max(1, round(0.15 * sum(record["input_mask"]))))
        assert record["masked_lm_positions"][:masked] == sorted(record["masked_lm_positions"][:masked])
        tokens = tokens_of(record)
        for place in record["masked_lm_positions"][:masked]:
            assert labels[place] >= FIRST
            seen["mask" if tokens[place] == MASK else "same" if tokens[place] == labels[place] else "random"] += 1
            tokens[place] = labels[place]
        places.setdefault(tuple(tokens), set()).add(tuple(record["masked_lm_positions"][:masked]))
        assert MASK not in tokens
    assert len(records) == 6 * len(places)
    assert sum(map(len, places.values())) > 0.9 * len(records)
    total = sum(seen.values())
    assert manifest.statistics["splits"]["train"]["masked"] == total
    assert abs(seen["mask"] / total - 0.8) < 0.05
    assert abs(seen["same"] / total - 0.1) < 0.04


def test_bytes_depend_on_the_seed_alone(world, tmp_path):
    made = [
        make_records(
            *world,
            tmp_path / name,
            RobertaConfig(max_seq_length=32, static_masking=True, random_seed=seed, num_shards=3),
            workers,
        )
        for name, seed, workers in (("one", 1, 1), ("two", 1, 2), ("other", 2, 1))
    ]
    digests = [[shard.sha256 for shard in manifest.shards] for manifest in made]
    assert digests[0] == digests[1]
    assert not set(digests[0]) & set(digests[2])
    assert len(digests[0]) == 3


@pytest.mark.parametrize(
    ("kind", "cls", "pad", "sep"),
    [
        (VocabularyConfig(kind="bytelevel-bpe", vocab_size=300), 0, 1, 2),
        (VocabularyConfig(kind="sentencepiece-bpe", form="sentencepiece", vocab_size=100), 2, 0, 3),
    ],
    ids=["byte level", "sentencepiece"],
)
def test_special_tokens_come_from_the_tokenizer(tmp_path, kind, cls, pad, sep):
    splits = {"train": [made_examples(60)], "validation": [made_examples(5, seed=1)]}
    conversations, vocabulary = write_conversations(tmp_path / "conversations", splits), str(tmp_path / "vocabulary")
    run_stage(VocabularyStage([conversations], kind), vocabulary)
    assert [Vocabulary.load(vocabulary).tokens[token] for token in (cls, pad, sep)] == ["<s>", "<pad>", "</s>"]
    for objective in (SMALL, CausalConfig(max_seq_length=32)):
        output = tmp_path / objective.objective
        make_records(conversations, vocabulary, output, objective)
        for split in ("train", "validation"):
            records = read_split(output, split)
            assert any(sep in record["input_ids"] for record in records)
            for record in records:
                tokens = tokens_of(record)
                assert set(record["input_ids"][len(tokens) :]) <= {pad}
                assert pad not in tokens
                if objective is SMALL:
                    assert (tokens[0], tokens[-1]) == (cls, sep)
        assert list(inspect_records(str(output)))


def test_an_empty_corpus_is_refused(tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(InputError, match=r"empty\.txt"):
        make_records(str(tmp_path / "empty.txt"), write_vocabulary(tmp_path / "vocabulary", 1), tmp_path / "records", SMALL)
    assert not (tmp_path / "records" / "manifest.json").exists()


def test_a_vocabulary_of_special_tokens_only_is_refused(world, tmp_path):
    with pytest.raises(InputError, match="5 entries, all of them special"):
        make_records(world[0], write_vocabulary(tmp_path / "vocabulary", 0), tmp_path / "records", SMALL)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"max_seq_length": 2}, "must be from 3 to"),
        ({"max_seq_length": 16, "max_predictions_per_seq": 17}, "more than max_seq_length 16"),
        ({"masked_lm_prob": 0}, "0.15 is usual"),
    ],
)
def test_settings_of_no_use_are_refused_with_the_remedy(settings, remedy):
    with pytest.raises(ConfigError, match=remedy):
        RobertaConfig(**settings)


@pytest.mark.skipif(not (REAL_DATA / "arabic").is_dir(), reason="needs the Arabic lines")
def test_arabic_is_packed_whole(tmp_path):
    lines = (REAL_DATA / "arabic" / "ar_lines.txt").read_text().splitlines()[:2000]
    corpus = tmp_path / "arabic.txt"
    corpus.write_text("\n".join(lines))
    vocabulary = str(tmp_path / "vocabulary")
    run_stage(VocabularyStage([str(corpus)], VocabularyConfig(vocab_size=2000)), vocabulary)
    make_records(str(corpus), vocabulary, tmp_path / "records", RobertaConfig(max_seq_length=64))
    ids = Vocabulary.load(vocabulary).encode([line for line in lines if line.strip()]).ids
    found = Counter(
        token for record in read_split(tmp_path / "records") for token in tokens_of(record) if token not in (CLS, SEP)
    )
    assert found == Counter(ids.tolist())
