"""English prose to pretraining records, beside the classic script; and a vocabulary, beside its trainer alone.

`python -m benchmarks.pretraining [--megabytes N] [--runs N] [--text FILE] [--peer-megabytes N]`: process start included, medians
of the runs. The classic script's stand-in (`benchmarks.classic_records`) runs in two processes over a smaller text of the same
kind, without its imports being counted: what it would take for the larger one is to its disadvantage only in memory.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Cost, median_of, run
from benchmarks.prose import write_prose
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest

_LENGTH, _PREDICTIONS, _DUPES = 128, 20, 5
_OBJECTIVES = {"bert": ["--max-predictions", str(_PREDICTIONS)], "roberta": [], "seq2seq": [], "causal": []}
_DATATROVE_RATE = 9_000  # comments a CPU second, measured on a machine about twice as fast as this project's
_TRAINER = """
import sys
from tokenizers import BertWordPieceTokenizer
tokenizer = BertWordPieceTokenizer()
lines = open(sys.argv[1]).read().split("\\n")
tokenizer.train_from_iterator(
    (lines[start : start + 10_000] for start in range(0, len(lines), 10_000)), vocab_size=int(sys.argv[2]), show_progress=False
)
tokenizer.save_model(sys.argv[3])
"""


def main() -> None:
    """Prints the vocabulary's table, then the records'."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--peer-megabytes", type=int, default=6, help="text for the classic script; 0: leave it out")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", type=int, default=30_000, help="entries of the vocabulary")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines that the vocabulary is trained on")
    parser.add_argument("--comments", type=int, default=500_000, help="comments on the way to tokens; 0: leave it out")
    parser.add_argument("--datatrove", help="a Python that has datatrove, tokenizers and orjson, to measure it beside us")
    parser.add_argument("--text", type=Path, help="a text to use instead of the generated prose: one sentence a line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = arguments.text or _prose(folder / "prose.txt", arguments.megabytes)
        _vocabulary(folder, arguments.size, arguments.lines, arguments.runs)
        run(_threadmill("vocab", "train", str(text), "--size", str(arguments.size), "--output", str(folder / "vocabulary")))
        rate = _records(folder, text, arguments.runs)
        if arguments.peer_megabytes:
            _peer(folder, arguments.peer_megabytes, rate)
        if arguments.comments:
            _comments(folder, arguments.comments, arguments.datatrove)


def _prose(path: Path, megabytes: int) -> Path:
    write_prose(path, megabytes * 1_000_000)
    return path


def _threadmill(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "threadmill.cli", *arguments]


def _vocabulary(folder: Path, size: int, lines: int, runs: int) -> None:
    text, made = folder / "lines.txt", folder / "trained"
    write_prose(text, lines * 95, seed=2)
    ours = _threadmill("vocab", "train", str(text), "--size", str(size), "--output", str(made))
    trainer = [sys.executable, "-c", _TRAINER, str(text), str(size), str(folder)]
    costs = {"threadmill vocab train": _timed(ours, made, runs), "the trainer alone": _timed(trainer, made, runs)}
    print(f"\nWordPiece, {size:,} entries from {lines:,} lines\n{'':<34}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}")
    for name, cost in costs.items():
        print(f"{name:<34}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.peak_mb:>9.0f}")
    mine, bare = costs.values()
    print(f"ratio: {mine.wall / bare.wall:.2f} wall, {mine.cpu / bare.cpu:.2f} CPU", flush=True)


def _records(folder: Path, text: Path, runs: int) -> float:
    """Prints a line an objective; returns the instances a second of BERT's."""
    rate, token_rate, size = 0.0, 0.0, text.stat().st_size / 1e6
    print(f"\n{size:.0f} MB of prose to records of {_LENGTH} tokens, dupe factor {_DUPES}")
    names = f"{'records':>11}{'records/s':>11}{'M tokens/s':>12}{'of bert':>9}"
    print(f"{'objective':<12}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}{names}")
    for objective, settings in _OBJECTIVES.items():
        output = folder / objective
        command = _threadmill("records", str(text), "--vocab", str(folder / "vocabulary"), "--objective", objective, *settings)
        lengths = ["--max-seq-length", str(_LENGTH), "--dupe-factor", str(_DUPES)]
        cost = _timed([*command, *lengths, "--output", str(output)], output, runs)
        manifest = Dataset.open(str(output)).manifest
        tokens = _tokens(manifest) / cost.wall / 1e6
        rate, token_rate = rate or manifest.records / cost.wall, token_rate or tokens
        print(
            f"{objective:<12}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.peak_mb:>9.0f}{manifest.records:>11,}"
            f"{manifest.records / cost.wall:>11,.0f}{tokens:>12.2f}{tokens / token_rate:>9.2f}",
            flush=True,
        )
        shutil.rmtree(output)
    return rate


def _tokens(manifest: Manifest) -> int:
    return sum(split["tokens"] for split in manifest.statistics["splits"].values())


def _peer(folder: Path, megabytes: int, rate: float) -> None:
    vocabulary = folder / "vocabulary" / "vocab.txt"
    processes = []
    for seed in range(2):
        text = _prose(folder / f"half-{seed}.txt", megabytes // 2)
        numbers = map(str, (_LENGTH, _PREDICTIONS, _DUPES, seed))
        command = [sys.executable, "-m", "benchmarks.classic_records", str(text), str(vocabulary), os.devnull, *numbers]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    results = [process.communicate()[0].split() for process in processes]
    instances = sum(int(count) for _, count in results)
    seconds = max(float(taken) for taken, _ in results)
    classic = instances / seconds
    print(f"the classic script, 2 processes, {megabytes} MB: {instances:,} records in {seconds:.1f} s = {classic:,.0f}/s")
    print(f"threadmill records, bert: {rate / classic:.1f} times its rate", flush=True)


def _comments(folder: Path, comments: int, datatrove: str | None) -> None:
    """Prints how many comments a CPU second go from a dump through the filters to tokens."""
    dumps, output = folder / "dumps", folder / "reddit"
    run(_threadmill("sample", "--comments", str(comments), "--output", str(dumps)))
    (dump,) = map(str, dumps.glob("RC_*.zst"))
    filtered = run(_threadmill("reddit", dump, "--output", str(output)))
    conversations, vocabulary = str(output / "conversations"), str(folder / "reddit-vocabulary")
    run(_threadmill("vocab", "train", conversations, "--output", vocabulary))
    settings = ["--vocab", vocabulary, "--objective", "causal", "--output", str(folder / "runs")]
    cost = filtered.cpu + run(_threadmill("records", conversations, *settings)).cpu
    rate, peer = comments / cost, float(_DATATROVE_RATE)
    print(f"\n{comments:,} comments to filtered conversations to tokens: {cost:.1f} CPU s = {rate:,.0f} comments/CPU s")
    if datatrove:
        script = [datatrove, "benchmarks/datatrove_tokens.py", str(dumps), f"{vocabulary}/tokenizer.json", str(folder / "peer")]
        taken = float(subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()[-1])
        peer = comments / taken
        print(f"datatrove, read, filter and tokenise: {taken:.1f} CPU s = {peer:,.0f} comments/CPU s")
    print(
        f"ratio: {rate / peer:.1f}{'' if datatrove else ' (datatrove as it was measured once, on a faster machine)'}", flush=True
    )


def _timed(command: list[str], output: Path, runs: int) -> Cost:
    """The medians of some runs, and the memory of one more."""
    costs = []
    for number in range(runs + 1):
        shutil.rmtree(output, ignore_errors=True)
        time.sleep(0.5)
        costs.append(run(command, sample_memory=number == runs))
    return replace(median_of(costs[:runs]), peak_mb=costs[runs].peak_mb)


if __name__ == "__main__":
    main()
