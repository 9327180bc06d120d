"""The phases of the records stage: the same dataset as one process makes."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from tests.engine.beam.conftest import UseBeam, use_beam  # noqa: F401
from tests.engine.beam.portable import prism, worker_pool
from tests.fakes.bucket import cloud  # noqa: F401
from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.cloud.identity import RunIdentity
from threadmill.datasets import storage
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage
from threadmill.engine.site import Site
from threadmill.errors import InputError, IntegrityError
from threadmill.pretraining import encoding_stage, merging_stage, planning, portions, split_tokens, tokens_stage
from threadmill.pretraining.config import BertConfig, CausalConfig, RecordsConfig, RobertaConfig, Seq2SeqConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage

PAIRS = BertConfig(32, 5, dupe_factor=3, num_shards=3)
CONFIGS = [
    PAIRS,
    BertConfig(32, 5, dupe_factor=2, next_sentence=False),
    RobertaConfig(max_seq_length=32, dupe_factor=2, num_shards=2, compression="gzip"),
    Seq2SeqConfig(max_seq_length=24, max_target_length=12, num_shards=5),
    CausalConfig(max_seq_length=32, dupe_factor=2),
]


class InPhases(RecordsStage):
    """The stage as a remote engine does it, with the local engine in its place."""

    def phases(self, run):
        return self.remote_phases(run)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """conversations/ of four training shards and one for validation, texts/ of three files, and vocabulary/."""
    folder = tmp_path_factory.mktemp("world")
    splits = {"train": [*shards_of(made_examples(80), 3), []], "validation": [made_examples(20, seed=1)]}
    conversations = write_conversations(folder / "conversations", splits)
    write_conversations(folder / "lines", splits, "jsonl")
    draw, words = random.Random(0), ["kara", "teset", "suush", "mira", "lora", "vornset", "gel"]
    (folder / "texts").mkdir()
    for name in "abc":
        documents = [
            "\n".join(" ".join(draw.choices(words, k=draw.randint(1, 30))) for _ in range(draw.choice([1, 2, 5, 9])))
            for _ in range(60)
        ]
        (folder / "texts" / f"{name}.txt").write_text("\n\n".join(documents))
    stage = VocabularyStage([conversations, str(folder / "texts")], VocabularyConfig(vocab_size=120))
    run_stage(stage, str(folder / "vocabulary"))
    return folder


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    """Portions, buckets and batches so small that tiny corpora have several."""
    monkeypatch.setattr(portions, "_PORTION_BYTES", 20_000)
    monkeypatch.setattr(planning, "_BUCKET_BYTES", 20_000)
    monkeypatch.setattr(split_tokens, "_HELD_BYTES", 20_000)


def arguments(world: Path, config: RecordsConfig, *corpora: str) -> tuple[list[str], str, RecordsConfig]:
    return [str(world / name) for name in corpora], str(world / "vocabulary"), config


def make(stage: RecordsStage, output: str | Path, engine: str = "local") -> Manifest:
    site = Site(RunIdentity("shell", str(output), "records"), engine, workers=1)
    return run_stage(stage, str(output), name="records", site=site)


@pytest.mark.parametrize("corpora", [("conversations",), ("texts",), ("lines", "texts")], ids="-".join)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.objective)
def test_phases_make_the_dataset_that_one_process_makes(world, tmp_path, config, corpora):
    given = arguments(world, config, *corpora)
    one, many = make(RecordsStage(*given), tmp_path / "one"), make(InPhases(*given), tmp_path / "many")
    assert many.digest == one.digest
    assert [path.name for path in (tmp_path / "many").iterdir() if path.name.startswith(".")] == []


def test_work_is_cut_into_portions_batches_and_sections(world, tmp_path, monkeypatch):
    """Without which the test above would show nothing."""
    seen = {"portions": set(), "batches": 0, "sections": 0}
    collect, read = split_tokens.collect_tokens, merging_stage.read_section

    def counted_collect(files, lengths, spans):
        seen["batches"] += len(spans) > 0
        return collect(files, lengths, spans)

    def counted_read(uri, number, sections):
        seen["portions"].add(uri)
        seen["sections"] = max(seen["sections"], sections)
        return read(uri, number, sections)

    monkeypatch.setattr(split_tokens, "collect_tokens", counted_collect)
    monkeypatch.setattr(merging_stage, "read_section", counted_read)
    make(InPhases(*arguments(world, PAIRS, "texts")), tmp_path / "records")
    assert len(seen["portions"]) == 3
    assert seen["batches"] > 3
    assert seen["sections"] > PAIRS.num_shards


def test_a_split_without_any_document_and_empty_shards_are_as_in_one_process(world, tmp_path):
    splits = {
        "train": [[("t1", ["kara teset", "mira", "lora"]), ("t2", ["suush", "gel"])]],
        "validation": [[("t3", ["kara", ""])]],
    }
    write_conversations(tmp_path / "few", splits)
    given = [str(tmp_path / "few")], str(world / "vocabulary"), BertConfig(32, 5, dupe_factor=1, num_shards=6)
    one, many = make(RecordsStage(*given), tmp_path / "one"), make(InPhases(*given), tmp_path / "many")
    assert many.digest == one.digest
    assert 0 in {shard.records for shard in many.shards}


def test_a_corpus_of_no_record_is_refused_and_a_lone_document_warned_of(world, tmp_path, caplog):
    (tmp_path / "blank.txt").write_text("\x01\n")
    with pytest.raises(InputError, match=r"no record could be made of its 1 documents \(no_tokens 1\)"):
        make(InPhases(str(tmp_path / "blank.txt"), str(world / "vocabulary"), PAIRS), tmp_path / "records")
    assert not (tmp_path / "records" / "manifest.json").exists()
    (tmp_path / "novel.txt").write_text("kara mira teset lora\n" * 50)
    make(InPhases(str(tmp_path / "novel.txt"), str(world / "vocabulary"), PAIRS), tmp_path / "records")
    assert "the train split is a single document or thread, so that no next sentence is random" in caplog.text


def test_a_corpus_that_changed_since_the_plan_is_refused(world, tmp_path, monkeypatch):
    conversations = shutil.copytree(world / "conversations", tmp_path / "conversations")
    shard = next(iter(sorted(conversations.glob("train-*"))))
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(IntegrityError, match=r"train-00000-of-00004\.tfrecord was changed after it was written"):
        make(InPhases(str(conversations), str(world / "vocabulary"), PAIRS), tmp_path / "records")


class Killed(BaseException):
    """Ends a run at once, as a kill does."""


@pytest.mark.parametrize("phase", [tokens_stage.TokensStage, encoding_stage.EncodingStage, merging_stage.MergingStage])
@pytest.mark.parametrize("done", [0, 2])
def test_a_run_that_was_killed_goes_on_from_there(world, tmp_path, monkeypatch, phase, done):
    given = arguments(world, PAIRS, "texts")
    one = make(RecordsStage(*given), tmp_path / "one")
    process, finished = phase.process, []

    def killed(self, task, output):
        if len(finished) == done:
            raise Killed
        finished.append(task.name)
        return process(self, task, output)

    monkeypatch.setattr(phase, "process", killed)
    with pytest.raises(Killed):
        make(InPhases(*given), tmp_path / "many")
    again = []
    monkeypatch.setattr(phase, "process", lambda self, task, output: again.append(task.name) or process(self, task, output))
    assert make(InPhases(*given), tmp_path / "many").digest == one.digest
    assert not set(again) & set(finished)


def test_a_machine_without_room_for_the_outline_is_told_so(world, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(InputError, match=r"outline of \d+ documents .* GB are free; give the machine more room"):
        make(InPhases(*arguments(world, PAIRS, "texts")), tmp_path / "records")


def test_a_damaged_file_between_the_phases_is_told(world, tmp_path, monkeypatch):
    process = merging_stage.MergingStage.process

    def damaged(self, task, output):
        for path in (tmp_path / "records" / ".phases" / "encoded").glob("*.records.zst"):
            path.write_bytes(bytes(path.stat().st_size))
        return process(self, task, output)

    monkeypatch.setattr(merging_stage.MergingStage, "process", damaged)
    with pytest.raises(IntegrityError, match=r"is damaged .* remove the output's folder \.phases"):
        make(InPhases(*arguments(world, PAIRS, "texts")), tmp_path / "records")


def in_bucket(world: Path) -> None:
    for name in ("conversations", "texts", "vocabulary"):
        for path in (world / name).iterdir():
            storage.write_bytes(f"gs://bucket/{name}/{path.name}", path.read_bytes())


@pytest.mark.slow
def test_phases_in_a_bucket_leave_nothing_but_the_dataset(world, tmp_path, cloud: FakeCloudStorage, monkeypatch):  # noqa: F811
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one = make(RecordsStage(*arguments(world, PAIRS, "conversations", "texts")), tmp_path / "one")
    in_bucket(world)
    stage = InPhases(["gs://bucket/conversations", "gs://bucket/texts"], "gs://bucket/vocabulary", PAIRS)
    many = make(stage, "gs://bucket/records")
    assert many.digest == one.digest
    names = {path.name for path in (tmp_path / "buckets" / "bucket" / "records").rglob("*") if path.is_file()}
    assert names == {"manifest.json", *(shard.name for shard in many.shards)}
    assert list(tmp_path.glob("threadmill-shared*/*")) == []


def test_tasks_on_beam_make_the_same_dataset(world, tmp_path, use_beam: UseBeam):  # noqa: F811
    given = arguments(world, BertConfig(32, 5, dupe_factor=1), "texts")
    one = make(RecordsStage(*given), tmp_path / "one")
    use_beam()
    assert make(RecordsStage(*given), tmp_path / "many", "beam").digest == one.digest


@pytest.fixture
def use_prism(use_beam: UseBeam, tmp_path: Path) -> Iterator[None]:  # noqa: F811
    runner, pool = prism(tmp_path), worker_pool(tmp_path)
    endpoint, workers = runner.address, pool.address
    use_beam("PortableRunner", beam_job_endpoint=endpoint, beam_environment_type="EXTERNAL", beam_environment_config=workers)
    yield
    for server in (pool, runner):
        server.stop()


@pytest.mark.cloud
def test_a_portable_runner_makes_the_same_dataset(world, tmp_path, use_prism):
    for config in (PAIRS, CONFIGS[3]):
        given = arguments(world, config, "conversations")
        one = make(RecordsStage(*given), tmp_path / config.objective / "one")
        assert make(RecordsStage(*given), tmp_path / config.objective / "many", "beam").digest == one.digest
