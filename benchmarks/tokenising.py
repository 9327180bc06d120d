"""Text to ids: MB, lines and tokens per CPU second of each kind of vocabulary, beside Hugging Face tokenizers on the same lines.

`python -m benchmarks.tokenising [--mb N] [--runs N] [FILE ...]`: in memory, in one thread, medians of the runs; a file is a text
with a sentence a line, repeated to N MB; prose is made if none is named.
"""

import argparse
import os
import pkgutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread each, or CPU seconds could not be compared

import pyarrow as pa
from tokenizers import Tokenizer

from benchmarks.prose import write_prose
from threadmill.vocab.config import KINDS, VocabularyConfig
from threadmill.vocab.styles import style_of
from threadmill.vocab.vocabulary import Vocabulary

_FORMS = {"wordpiece": "", "bytelevel-bpe": "", "sentencepiece-bpe": "sentencepiece"}
_TRAINED_ON = 20_000  # lines
_BLOCK = 50_000  # lines encoded in one call


def main() -> None:
    """Prints a line for each text and kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--mb", type=float, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", type=int, default=8000, help="entries of the vocabularies")
    arguments = parser.parse_args()
    print(f"{'':<46}{'MB/CPU s':>10}{'lines/CPU s':>13}{'tokens/CPU s':>14}{'tokenizers':>12}{'times':>7}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for path in arguments.files or [_made(Path(folder), arguments.mb)]:
            lines = _lines(path, arguments.mb * 1e6)
            for kind in _FORMS:
                _compare(path.stem, kind, lines, arguments.size, arguments.runs)


def _made(folder: Path, megabytes: float) -> Path:
    path = folder / "prose.txt"
    write_prose(path, int(megabytes * 1e6))
    return path


def _lines(path: Path, size: float) -> pa.Array:
    lines = [line for line in path.read_text("utf-8").split("\n") if line]
    repeats = max(1, round(size / path.stat().st_size))
    return pa.array(lines * repeats, pa.large_string())


def _compare(name: str, kind: str, lines: pa.Array, size: int, runs: int) -> None:
    config = VocabularyConfig(kind=kind, form=_FORMS[kind], vocab_size=size)
    training = pkgutil.resolve_name(KINDS[kind])(lines[:_TRAINED_ON], config)
    model = training.files.get(style_of(kind, config.form).model_file, b"")
    vocabulary = Vocabulary(tuple(training.tokens), config.lowercase, kind=kind, form=config.form, model=model)
    peer = Tokenizer.from_str(training.files["tokenizer.json"].decode())
    blocks = [lines[start : start + _BLOCK] for start in range(0, len(lines), _BLOCK)]
    texts = [block.to_pylist() for block in blocks]
    vocabulary.encode(lines[:1])  # kernels are compiled, or loaded
    ours, tokens = _seconds(lambda: sum(len(vocabulary.encode(block).ids) for block in blocks), runs)
    theirs, _ = _seconds(lambda: sum(len(peer.encode_batch_fast(text, add_special_tokens=False)) for text in texts), runs)
    rates = (lines.nbytes / 1e6 / ours, len(lines) / ours, tokens / ours, lines.nbytes / 1e6 / theirs, theirs / ours)
    print(f"{f'{name}, {kind}':<46}" + "{:>10.1f}{:>13,.0f}{:>14,.0f}{:>12.1f}{:>6.1f}x".format(*rates), flush=True)


def _seconds(work: Callable[[], int], runs: int) -> tuple[float, int]:
    """The median CPU seconds of ``work``, and what it gave."""
    costs = []
    for _ in range(runs):
        start = time.process_time()
        found = work()
        costs.append(time.process_time() - start)
    return median(costs), found


if __name__ == "__main__":
    main()
