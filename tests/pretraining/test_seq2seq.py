from collections import Counter

import pytest

from tests.conversation_datasets import made_examples, write_conversations
from tests.pretraining.made_records import CLS, FIRST, PAD, SEP, make_records, read_split, write_text, write_vocabulary
from threadmill.errors import ConfigError, InputError
from threadmill.pretraining.config import Seq2SeqConfig

# Threads of turns; each turn is a response once, to the turns before it.
THREADS = [[3, 5, 2, 9], [1, 1], [20, 4, 7], [2, 30, 6, 1, 1, 8]] * 25
WORDS = sum(map(sum, THREADS))
SMALL = Seq2SeqConfig(max_seq_length=24, max_target_length=12)


def examples():
    """Every response of every thread, with the turns before it."""
    number = 0
    for thread, sizes in enumerate(THREADS):
        turns = []
        for size in sizes:
            turns.append(" ".join(f"w{number + place}" for place in range(size)))
            number += size
            if len(turns) > 1:
                yield f"t{thread}", list(turns)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("seq2seq")
    made = list(examples())
    conversations = write_conversations(folder / "conversations", {"train": [made[:100], made[100:]]})
    return conversations, write_vocabulary(folder / "vocabulary", WORDS)


def pairs(records) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The contexts and the responses of all pairs, with what every pair must have checked."""
    found = []
    for record in records:
        segments = record["encoder_segment_ids"], record["decoder_segment_ids"]
        assert all(token == PAD for token, segment in zip(record["encoder_input_ids"], segments[0], strict=True) if not segment)
        assert all(token == PAD for token, segment in zip(record["decoder_labels"], segments[1], strict=True) if not segment)
        numbers = range(1, max(segments[0]) + 1)
        for each in segments:  # 1 1 2 2 2 3 0 0
            assert [number for number in each if number] == sorted(number for number in each if number)
            assert set(each) - {0} == set(numbers)
            assert not any(each[len([number for number in each if number]) :])
        for number in numbers:
            context = of(number, record["encoder_input_ids"], segments[0])
            inputs, labels = (of(number, record[name], segments[1]) for name in ("decoder_input_ids", "decoder_labels"))
            assert inputs == (CLS, *labels[:-1])
            assert labels[-1] == SEP
            found.append((context, labels[:-1]))
    return found


def of(number, ids, segments) -> tuple[int, ...]:
    return tuple(token for token, segment in zip(ids, segments, strict=True) if segment == number)


def wanted_pairs(context: int, response: int):
    for _, turns in examples():
        texts = [[FIRST + int(name[1:]) for name in turn.split()] for turn in turns]
        kept = texts[-2][-context:]
        for turn in texts[-3::-1]:
            if len(turn) + 1 + len(kept) > context:
                break
            kept = [*turn, SEP, *kept]
        yield tuple(kept), tuple(texts[-1][:response])


def test_every_response_is_learned_from_the_newest_turns_before_it(world, tmp_path):
    manifest = make_records(*world, tmp_path / "records", SMALL)
    found = pairs(read_split(tmp_path / "records"))
    assert sorted(found) == sorted(wanted_pairs(24, 11))
    assert manifest.counters.to_json()["dropped"] == {}
    assert manifest.counters.kept == len(found) == len(list(examples()))


def test_statistics_count_pairs_what_was_cut_and_padding(world, tmp_path):
    sums = make_records(*world, tmp_path / "records", SMALL).statistics["splits"]["train"]
    records = read_split(tmp_path / "records")
    used = [
        sum(number > 0 for number in record[name])
        for record in records
        for name in ("encoder_segment_ids", "decoder_segment_ids")
    ]
    sizes = [[len(turn.split()) for turn in turns] for _, turns in examples()]
    assert sums == {
        "instances": len(records),
        "pairs": len(sizes),
        "truncated_contexts": sum(sum(turns[:-1]) + len(turns) - 2 > 24 for turns in sizes),
        "truncated_responses": sum(turns[-1] > 11 for turns in sizes),
        "tokens": sum(used),
        "padding": 36 * len(records) - sum(used),
    }


def test_packing_leaves_less_padding_with_buckets_and_none_leaves_a_pair_alone(world, tmp_path):
    settings = {"buckets": {}, "as they come": {"length_buckets": 1}, "alone": {"packing": False}}
    made = {
        name: make_records(*world, tmp_path / name, Seq2SeqConfig(max_seq_length=24, max_target_length=12, **setting))
        for name, setting in settings.items()
    }
    assert made["buckets"].records <= made["as they come"].records < made["alone"].records
    everything = [Counter(pairs(read_split(tmp_path / name))) for name in settings]
    assert everything[0] == everything[1] == everything[2]
    assert {max(record["encoder_segment_ids"]) for record in read_split(tmp_path / "alone")} == {1}


def test_passes_are_packed_in_other_ways(world, tmp_path):
    make_records(*world, tmp_path / "one", SMALL)
    make_records(*world, tmp_path / "two", Seq2SeqConfig(max_seq_length=24, max_target_length=12, dupe_factor=2))
    one, two = (Counter(pairs(read_split(tmp_path / name))) for name in ("one", "two"))
    assert two == one + one
    records = {tuple(sorted(pairs([record]))) for record in read_split(tmp_path / "two")}
    assert len(records) > 1.3 * len(read_split(tmp_path / "one"))


def test_bytes_depend_on_the_seed_alone(world, tmp_path):
    made = [
        make_records(
            *world,
            tmp_path / name,
            Seq2SeqConfig(max_seq_length=24, max_target_length=12, random_seed=seed, num_shards=2),
            workers,
        )
        for name, seed, workers in (("one", 1, 1), ("two", 1, 2), ("other", 2, 1))
    ]
    assert made[0].shards == made[1].shards
    assert made[0].shards != made[2].shards


def test_text_answers_what_stands_before_it(tmp_path):
    documents = [[5, 9, 3, 40, 7], [4], [11, 2, 6], [30, 8]] * 20
    words = sum(map(sum, documents))
    corpus = write_text(tmp_path / "text.txt", documents)
    config = Seq2SeqConfig(max_seq_length=24, max_target_length=12)
    manifest = make_records(corpus, write_vocabulary(tmp_path / "vocabulary", words), tmp_path / "records", config)
    found = pairs(read_split(tmp_path / "records"))
    wanted, number = [], FIRST
    for document in documents:
        for place, size in enumerate(document):
            wanted += range(number, number + min(size, 11)) if place else []
            number += size
    assert sorted(token for _, response in found for token in response) == wanted
    assert all(context == tuple(range(response[0] - len(context), response[0])) for context, response in found)
    assert manifest.counters.dropped == {"one_sentence": 20}


def test_conversations_without_a_response_are_refused(tmp_path):
    conversations = write_conversations(tmp_path / "conversations", {"train": [[("t", ["", "w0"])]]})
    with pytest.raises(InputError, match="one_turn 1"):
        make_records(conversations, write_vocabulary(tmp_path / "vocabulary", 1), tmp_path / "records", SMALL)


@pytest.mark.parametrize("settings", [{"max_seq_length": 1}, {"max_target_length": 1}, {"length_buckets": 0}])
def test_settings_of_no_use_are_refused(settings):
    with pytest.raises(ConfigError, match=r"must be (from 2 to|1 or more)"):
        Seq2SeqConfig(**settings)


@pytest.mark.slow
def test_tensorflow_reads_the_records_of_every_objective(tmp_path):
    import tensorflow as tf

    from threadmill.pretraining.config import CausalConfig, RobertaConfig

    conversations = write_conversations(tmp_path / "conversations", {"train": [made_examples(40)]})
    vocabulary = write_vocabulary(tmp_path / "vocabulary", 1)
    for config in (
        SMALL,
        CausalConfig(max_seq_length=16),
        RobertaConfig(max_seq_length=16, max_predictions_per_seq=3, static_masking=True),
    ):
        output = tmp_path / config.objective
        schema = make_records(conversations, vocabulary, output, config).schema
        types = {"int64": tf.int64, "float32": tf.float32}
        lengths = {field.name: (int(field.type.split("[")[1][:-1]), types[field.type.split("[")[0]]) for field in schema}
        spec = {name: tf.io.FixedLenFeature([length], kind) for name, (length, kind) in lengths.items()}
        files = sorted(map(str, output.glob("train-*.tfrecord")))
        batch = next(iter(tf.data.TFRecordDataset(files).batch(1000)))
        parsed = tf.io.parse_example(batch, spec)
        ours = read_split(output)
        for name in spec:
            assert parsed[name].numpy().tolist() == [record[name] for record in ours]
