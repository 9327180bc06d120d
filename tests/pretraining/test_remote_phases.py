"""The phases of the records stage, run by the local engine: the same dataset as one process makes."""

import random
from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from threadmill.cloud.identity import RunIdentity
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage
from threadmill.engine.site import Site
from threadmill.pretraining import planning, portions, split_tokens
from threadmill.pretraining.config import BertConfig, CausalConfig, RecordsConfig, RobertaConfig, Seq2SeqConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage

CONFIGS = [
    BertConfig(32, 5, dupe_factor=3, num_shards=3),
    BertConfig(32, 5, dupe_factor=2, next_sentence=False),
    RobertaConfig(max_seq_length=32, dupe_factor=2, num_shards=2, compression="gzip"),
    Seq2SeqConfig(max_seq_length=24, max_target_length=12, num_shards=5),
    CausalConfig(max_seq_length=32, dupe_factor=2),
]


class InPhases(RecordsStage):
    """The stage as a remote engine's, with the local engine in its place."""

    def phases(self, run):
        return self.remote_phases(run)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """conversations/ of four training shards and one for validation, texts/ of three files, and vocabulary/."""
    folder = tmp_path_factory.mktemp("world")
    splits = {"train": [*shards_of(made_examples(80), 3), []], "validation": [made_examples(20, seed=1)]}
    conversations = write_conversations(folder / "conversations", splits)
    draw, words = random.Random(0), ["kara", "teset", "suush", "mira", "lora", "vornset", "gel"]
    (folder / "texts").mkdir()
    for name in "abc":
        documents = [
            "\n".join(" ".join(draw.choices(words, k=draw.randint(1, 30))) for _ in range(draw.choice([1, 2, 5, 9])))
            for _ in range(60)
        ]
        (folder / "texts" / f"{name}.txt").write_text("\n\n".join(documents))
    run_stage(
        VocabularyStage([conversations, str(folder / "texts")], VocabularyConfig(vocab_size=120)), str(folder / "vocabulary")
    )
    return folder


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    """Portions, buckets and batches so small that tiny corpora have several."""
    monkeypatch.setattr(portions, "_PORTION_BYTES", 20_000)
    monkeypatch.setattr(planning, "_BUCKET_BYTES", 20_000)
    monkeypatch.setattr(split_tokens, "_HELD_BYTES", 20_000)


def make(stage: RecordsStage, output: Path) -> Manifest:
    return run_stage(stage, str(output), name="records", site=Site(RunIdentity("", "", ""), workers=1))


@pytest.mark.parametrize("corpora", [["conversations"], ["texts"], ["conversations", "texts"]], ids="-".join)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.objective)
def test_phases_make_the_dataset_that_one_process_makes(world: Path, tmp_path: Path, config: RecordsConfig, corpora: list[str]):
    arguments = [str(world / name) for name in corpora], str(world / "vocabulary"), config
    one, many = make(RecordsStage(*arguments), tmp_path / "one"), make(InPhases(*arguments), tmp_path / "many")
    assert many.digest == one.digest
    assert [path.name for path in (tmp_path / "many").iterdir() if path.name.startswith(".")] == []
