import json
from pathlib import Path

import pytest
from tokenizers import BertWordPieceTokenizer, Tokenizer

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from threadmill.datasets.dataset import Dataset, verify
from threadmill.engine.run import run_stage
from threadmill.errors import InputError
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage

SMALL = VocabularyConfig(vocab_size=90)


def make_of_text(folder: Path, texts, config=SMALL):
    for number, text in enumerate(texts):
        (folder / "texts").mkdir(exist_ok=True, parents=True)
        (folder / "texts" / f"{number}.txt").write_text(text, "utf-8")
    manifest = run_stage(VocabularyStage([str(folder / "texts")], config), str(folder / "vocabulary"))
    return folder / "vocabulary", manifest


def make(folder: Path, splits, config=SMALL, format="tfrecord"):
    conversations = write_conversations(folder / "conversations", splits, format)
    manifest = run_stage(VocabularyStage(conversations, config), str(folder / "vocabulary"))
    return folder / "vocabulary", manifest


def test_both_files_are_written_and_agree(tmp_path):
    folder, manifest = make(tmp_path, {"train": [made_examples(30)]})
    assert verify(str(folder)) == []
    tokens = (folder / "vocab.txt").read_text("utf-8").splitlines()
    assert json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"] == {
        token: number for number, token in enumerate(tokens)
    }
    assert manifest.records == manifest.counters.written == len(tokens)


def test_tokenizer_json_gives_the_ids_of_a_bert_tokenizer_on_vocab_txt(tmp_path):
    folder, _ = make(tmp_path, {"train": [made_examples(30)]})
    ours = Tokenizer.from_file(str(folder / "tokenizer.json"))
    public = BertWordPieceTokenizer.from_file(str(folder / "vocab.txt"), lowercase=True)
    for line in ["Kara teset, suush!", "vorndolkara [MASK] [SEP]", "Ünknown 日本", ""]:
        assert ours.encode(line).ids == public.encode(line).ids


def test_a_turn_that_is_the_context_of_many_replies_counts_once(tmp_path):
    train = [("t1", ["root of all", f"reply {number} here"]) for number in range(5)]
    _, manifest = make(tmp_path, {"train": [train], "validation": [[("t2", ["a", "b"])]]})
    assert manifest.counters.to_json() == {
        "read": 10,
        "kept": 6,
        "dropped": {"repeated_in_thread": 4},
        "written": manifest.counters.written,
    }


def test_the_vocabulary_depends_neither_on_the_number_of_shards_nor_on_their_format(tmp_path):
    examples, config = made_examples(60), VocabularyConfig(vocab_size=90, sample_lines=100)
    folders = []
    for count, format in ((1, "tfrecord"), (3, "tfrecord"), (2, "jsonl")):
        folder, manifest = make(tmp_path / f"{count}", {"train": shards_of(examples, count)}, config, format)
        assert manifest.counters.kept + manifest.counters.dropped["held_out"] == 100
        assert manifest.counters.dropped["not_sampled"] > 100
        folders.append(folder)
    for name in ("vocab.txt", "tokenizer.json"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1


def test_every_line_of_a_text_counts_also_one_that_was_there_before(tmp_path):
    _, manifest = make_of_text(tmp_path, ["twice said\ntwice said\n\ntwice said\n", "twice said\n"])
    assert manifest.counters.to_json()["read"] == 4
    assert manifest.counters.dropped == {"held_out": 1}
    assert manifest.counters.kept == 3


def test_the_sample_of_texts_depends_neither_on_the_files_nor_on_their_order(tmp_path):
    documents = ["\n".join(turns) for _, turns in made_examples(60)]
    config, folders = VocabularyConfig(vocab_size=90, sample_lines=100), []
    for count in (1, 4):
        texts = ["\n\n".join(documents[start::count]) for start in reversed(range(count))]
        folder, manifest = make_of_text(tmp_path / f"{count}", texts, config)
        assert manifest.counters.kept + manifest.counters.dropped["held_out"] == 100
        folders.append(folder)
    assert len({(folder / "vocab.txt").read_bytes() for folder in folders}) == 1


def test_one_corpus_beside_another(tmp_path):
    conversations = write_conversations(tmp_path / "conversations", {"train": [[("t", ["kara teset", "kara"])]]})
    (tmp_path / "text.txt").write_text("vorndol gelush\n" * 3, "utf-8")
    stage = VocabularyStage([conversations, str(tmp_path / "text.txt")], SMALL)
    manifest = run_stage(stage, str(tmp_path / "vocabulary"))
    assert [entry.name for entry in manifest.inputs] == ["conversations", "text.txt"]
    assert manifest.counters.read == 5, "two turns and three lines"
    assert {"k", "v"} <= set((tmp_path / "vocabulary" / "vocab.txt").read_text("utf-8").splitlines())


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_text_without_a_word_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="text"):
        make_of_text(tmp_path, [text])


def test_another_seed_draws_another_sample(tmp_path):
    examples = [("t", ["only", f"w{number}x{number * number}"]) for number in range(300)]
    vocabularies = set()
    for seed in (0, 1):
        folder, _ = make(tmp_path / str(seed), {"train": [examples]}, VocabularyConfig(vocab_size=60, sample_lines=40, seed=seed))
        vocabularies.add((folder / "vocab.txt").read_bytes())
    assert len(vocabularies) == 2


def test_unknown_words_are_measured_on_the_validation_split(tmp_path):
    splits = {"train": [[("t1", ["abc cab", "bac"])]], "validation": [[("t2", ["abc xyz", "cab"])]]}
    _, manifest = make(tmp_path, splits, VocabularyConfig(vocab_size=20))
    held_out = manifest.statistics["held_out"]
    assert held_out["source"] == "validation split"
    assert (held_out["lines"], held_out["words"], held_out["unknown_words"]) == (2, 3, 1)
    assert held_out["unknown_rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert manifest.statistics["sampled_lines"] == 2
    assert manifest.statistics["distinct_words"] == 3


def test_without_a_validation_split_a_part_of_the_sample_is_held_back(tmp_path):
    _, manifest = make(tmp_path, {"train": [made_examples(60)]})
    held_out = manifest.statistics["held_out"]
    assert held_out["source"] == "sample"
    assert held_out["lines"] == manifest.counters.dropped["held_out"] > 0
    assert held_out["unknown_rate"] == 0


def test_turns_without_text_are_no_lines(tmp_path):
    _, manifest = make(tmp_path, {"train": [[("t1", [" \n", "some words"]), ("t2", ["", "more words"])]]})
    assert manifest.counters.read == 2


def test_a_dataset_without_a_train_split_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no train split \(its splits: test\)"):
        make(tmp_path, {"test": [made_examples(3)]})


def test_a_dataset_without_text_is_refused_and_leaves_no_dataset(tmp_path):
    with pytest.raises(InputError, match="no text"):
        make(tmp_path, {"train": [[]]})
    with pytest.raises(InputError):
        Dataset.open(str(tmp_path / "vocabulary"))


def test_a_vocabulary_of_something_else_than_conversations_is_refused(tmp_path):
    folder, _ = make(tmp_path, {"train": [made_examples(10)]})
    with pytest.raises(InputError, match="stage vocabulary"):
        run_stage(VocabularyStage(str(folder), SMALL), str(tmp_path / "other"))


def test_the_same_run_again_changes_nothing(tmp_path):
    _, first = make(tmp_path, {"train": [made_examples(10)]})
    _, second = make(tmp_path, {"train": [made_examples(10)]})
    assert first.digest == second.digest
    assert first.created_at == second.created_at
