"""A conversational model is fine-tuned on a dialogue set of another format, from a model of Reddit's conversations."""

from pathlib import Path

import orjson
import pytest

from threadmill.cli import main
from threadmill.corpora.sample import write_sample

pytestmark = pytest.mark.slow

STEPS = 20


def run(*arguments: object) -> None:
    assert main([*map(str, arguments), "--quiet"]) == 0


def conversations(folder: Path, comments: int, seed: int, format: str) -> Path:
    (dump,) = write_sample(str(folder / "dump"), comments=comments, seed=seed)
    run("reddit", dump, "--output", folder / "road", "--format", format)
    return folder / "road" / "conversations"


def parlai_text(conversations: Path) -> str:
    """Conversations of two speakers in ParlAI's text format, as its own converter writes it."""
    lines = []
    for shard in sorted(conversations.glob("*.parlai")):
        for line in shard.read_bytes().splitlines():
            acts = [act for pair in orjson.loads(line)["dialog"] for act in pair]
            texts = [act["text"].replace("\t", "\\t").replace("\n", "\\n").replace("|", "__PIPE__") for act in acts]
            exchanges = [f"text:{text}\tlabels:{label}" for text, label in zip(texts[::2], texts[1::2], strict=True)]
            lines += [*exchanges[:-1], exchanges[-1] + "\tepisode_done:True"]
    return "\n".join(lines)


def records(source: Path, vocabulary: Path, output: Path) -> Path:
    lengths = ("--max-seq-length", 48, "--max-target-length", 24)
    run("records", source, "--vocab", vocabulary, "--objective", "seq2seq", *lengths, "--output", output)
    return output


def train(records: Path, vocabulary: Path, output: Path, steps: int, *flags: object) -> list[float]:
    """The losses of a run."""
    given = ("--model", "blender-tiny", "--steps", steps, "--batch-size", 16, "--seed", 3, "--validation-sequences", 64)
    run("train", records, "--vocab", vocabulary, "--output", output, *given, *flags)
    return [orjson.loads(line)["loss"] for line in (output / "losses.jsonl").read_bytes().splitlines()]


def test_fine_tuning_begins_where_pretraining_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reddit = conversations(tmp_path / "pretraining", 6000, 7, "tfrecord")
    vocabulary = tmp_path / "vocabulary"
    run("vocab", "train", reddit, "--size", 1000, "--output", vocabulary)
    pretraining = train(
        records(reddit, vocabulary, tmp_path / "reddit records"), vocabulary, tmp_path / "pretrained", 150, "--keep", 1
    )

    (tmp_path / "set_train.txt").write_text(parlai_text(conversations(tmp_path / "other", 3000, 21, "parlai")))
    run("dialogues", tmp_path / "set_train.txt", "--validation-split", 0.1, "--output", tmp_path / "dialogues")
    dialogue_records = records(tmp_path / "dialogues", vocabulary, tmp_path / "dialogue records")
    checkpoint = tmp_path / "pretrained" / "checkpoints" / "step-150"
    warm = train(dialogue_records, vocabulary, tmp_path / "warm", STEPS, "--init-from", checkpoint)
    cold = train(dialogue_records, vocabulary, tmp_path / "cold", STEPS)

    assert warm[0] < pretraining[0] - 1
    assert all(one < other - 0.5 for one, other in zip(warm, cold, strict=True))
    scores = {}
    for name in ("warm", "cold"):
        capsys.readouterr()
        run("evaluate", tmp_path / name, dialogue_records, "--ranking-contexts", 0)
        scores[name] = orjson.loads(capsys.readouterr().out)
    assert scores["warm"]["response_loss"] < scores["cold"]["response_loss"] - 0.5
