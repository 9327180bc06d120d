"""Every stage with its inputs and its output in Cloud Storage, by the shell's words: the same datasets as on this machine."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.cli import main
from threadmill.datasets import storage
from threadmill.datasets.catalog import find_datasets
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import read_manifest
from threadmill.settings import get_settings

DIALOGUE = '{"context": "How are you?", "response": "I am well.", "thread_id": "%d"}\n'
COMMANDS = """
reddit {root}/dump/RC_2006-01.zst --output {root}/d/fused --min-length 1 --num-shards-train 2
ingest {root}/dump/RC_2006-01.zst --output {root}/d/comments --shard-rows 500
check-comments {root}/d/comments
threads {root}/d/comments --output {root}/d/threads --num-shards-train 3
conversations {root}/d/threads --output {root}/d/conversations --min-length 1
conversations {root}/d/threads --output {root}/d/parlai --min-length 1 --format parlai
deduplicate {root}/d/conversations --signatures {root}/d/signatures --output {root}/d/deduplicated
check-conversations {root}/d/deduplicated
dialogues {root}/sets --output {root}/d/dialogues
corpus {root}/text --output {root}/d/corpus
vocab train {root}/d/deduplicated --output {root}/d/vocabulary --size 400
records {root}/d/corpus --vocab {root}/d/vocabulary --output {root}/d/records --max-seq-length 32 --max-predictions 5
records {root}/d/deduplicated --vocab {root}/d/vocabulary --output {root}/d/pairs --max-seq-length 32 --max-predictions 5
report {root}/d/conversations --comments {root}/d/comments --output {root}/d/report
report {root}/d/corpus --output {root}/d/text_report
overview {root}/d
show {root}/d/threads
stats {root}/d/conversations
diff {root}/d/conversations {root}/d/deduplicated
inspect {root}/d/records
verify {root}/d/conversations
""".strip().splitlines()


@pytest.fixture
def roots(tmp_path: Path, cloud: FakeCloudStorage, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("THREADMILL_WORKERS", "1")
    monkeypatch.setenv("THREADMILL_ROOT", str(tmp_path))
    get_settings.cache_clear()
    local = tmp_path / "local"
    (local / "text").mkdir(parents=True)
    for number in range(2):
        (local / "text" / f"{number}.txt").write_text("A cat sat on a mat. It sat.\n\nA dog ran far. It barked.\n" * 20)
    (local / "sets").mkdir()
    (local / "sets" / "train.jsonl").write_text("".join(DIALOGUE % number for number in range(50)))
    assert main(["--quiet", "sample", "--comments", "1000", "--output", str(local / "dump")]) == 0
    for path in (found for found in local.rglob("*") if found.is_file()):
        storage.copy(str(path), f"gs://bucket/root/{path.relative_to(local)}")
    return str(local), "gs://bucket/root"


def run(commands: Sequence[str], root: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands:
        words = command.format(root=root).split()
        assert main(["--quiet", *words]) == 0, (words, capsys.readouterr().err)


def same_digests(roots: tuple[str, str]) -> list[str]:
    """The datasets below the second root, each equal to that of the first."""
    found = find_datasets(roots[1])
    assert found == find_datasets(roots[0])
    digests = {path: [read_manifest(storage.join(root, path)).digest for root in roots] for path in found}
    assert [path for path, (here, there) in digests.items() if here != there] == []
    return found


def test_comments_and_threads_are_the_same_in_cloud_storage(
    roots: tuple[str, str], cloud: FakeCloudStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    for root in roots:
        run([command for command in COMMANDS if command.startswith(("ingest", "threads"))], root, capsys)
    assert same_digests(roots) == ["d/comments", "d/threads"]
    run(["verify {root}/d/threads"], roots[1], capsys)
    # Nothing is looked at once a shard or a second time: a month has thousands of shards, and each call costs.
    assert cloud.faults.calls.total() < 200


@pytest.mark.slow
def test_every_stage_gives_the_same_datasets_in_cloud_storage(
    roots: tuple[str, str], cloud: FakeCloudStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    for root in roots:
        run(COMMANDS, root, capsys)
    remote = roots[1]
    found = same_digests(roots)
    assert len(found) >= 12
    assert [verify(storage.join(remote, path)) for path in found] == [[]] * len(found)
    assert [uri for uri in cloud.objects() if "/." in uri] == [], "no receipts, leases or temporary objects"
    # Worker processes make clients of their own, and the same bytes.
    storage.remove_tree(f"{remote}/d/records")
    run([f"{command} --workers 2" for command in COMMANDS if "{root}/d/records --max" in command], remote, capsys)
    assert same_digests(roots) == found
