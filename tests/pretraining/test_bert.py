"""BERT's records of real prose beside the published algorithm in plain Python, and memory that does not grow."""

import random
import re
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.conversation_datasets import REAL_DATA
from tests.pretraining.classic import instances_from_document, masked_places
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.engine.run import run_stage
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.vocabulary import Vocabulary

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NOVEL = REAL_DATA / "text" / "Burnett_Garden_1911.txt"  # a paragraph a line
PASSES = 2


@pytest.fixture(scope="module")
def novel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: novel.txt, a sentence a line and a document every 40 paragraphs, and vocab.txt of its frequent words."""
    folder = tmp_path_factory.mktemp("novel")
    paragraphs = [line.strip() for line in NOVEL.read_text("utf-8-sig").splitlines() if line.strip()]
    documents = [
        "\n".join(line for part in paragraphs[start : start + 40] for line in re.split(r"(?<=[.!?]) +", part) if line)
        for start in range(0, len(paragraphs), 40)
    ]
    (folder / "novel.txt").write_text("\n\n".join(documents))
    words = Counter(re.findall(r"[a-z]+|[^\w\s]", " ".join(paragraphs).lower()))
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    frequent = [word for word, _ in words.most_common(4000) if word not in letters]
    tokens = dict.fromkeys([*SPECIALS, *letters, *(f"##{letter}" for letter in letters if letter.isalnum()), *frequent])
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    return folder


@pytest.fixture(scope="module")
def ours(novel: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """int64[n, 5]: tokens, A's and B's lengths, masked tokens, random, of the records of the novel."""
    output = str(tmp_path_factory.mktemp("records") / "records")
    run_stage(
        RecordsStage(str(novel / "novel.txt"), str(novel / "vocab.txt"), BertConfig(dupe_factor=PASSES, short_seq_prob=0.0)),
        output,
    )
    dataset, rows = Dataset.open(output), []
    for shard in dataset.shards():
        for record in read_records(dataset.path(shard)):
            features = parse_example(record)
            tokens, b = sum(features["input_mask"]), sum(features["segment_ids"])
            rows.append((tokens, tokens - b - 2, b - 1, sum(features["masked_lm_weights"]), features["next_sentence_labels"][0]))
    return np.array(rows, np.int64)


@pytest.fixture(scope="module")
def theirs(novel: Path) -> np.ndarray:
    """The same of the published algorithm."""
    vocabulary, rng = Vocabulary.load(str(novel / "vocab.txt")), random.Random(0)
    documents = [
        [line.tolist() for line in vocabulary.encode(document.split("\n")) if len(line)]
        for document in (novel / "novel.txt").read_text().split("\n\n")
    ]
    rows = []
    for _ in range(PASSES):
        for number in range(len(documents)):
            for a, b, is_random in instances_from_document(documents, number, 128, 0.0, rng):
                length = len(a) + len(b) + 3
                words = [[place] for place in range(1, length - 1) if place != len(a) + 1]
                rows.append((length, len(a), len(b), len(masked_places(words, length, 20, 0.15, rng)), is_random))
    return np.array(rows, np.int64)


@pytest.mark.skipif(not NOVEL.exists(), reason="needs the novels")
def test_records_of_prose_have_the_original_s_statistics(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Without short sequences, which the test of pairs has.

    Tolerances: 3 % of instances, 1.5 % of their length, 5 % of A's and B's, .001 of the share of masked tokens, .03 of the
    share of random pairs, 4 tokens for the quantiles of the lengths.
    """
    assert len(ours) == pytest.approx(len(theirs), rel=0.03)
    for column, tolerance in ((0, 0.015), (1, 0.05), (2, 0.05)):
        assert ours[:, column].mean() == pytest.approx(theirs[:, column].mean(), rel=tolerance)
        for share in (0.05, 0.25, 0.5, 0.75, 0.95):
            assert np.quantile(ours[:, column], share) == pytest.approx(np.quantile(theirs[:, column], share), abs=4)
    masked = [rows[:, 3].sum() / rows[:, 0].sum() for rows in (ours, theirs)]
    assert masked[0] == pytest.approx(masked[1], abs=0.001)
    assert ours[:, 4].mean() == pytest.approx(theirs[:, 4].mean(), abs=0.03)


_PEAK = """
import resource, sys
from threadmill.engine.run import run_stage
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.stage import RecordsStage
run_stage(RecordsStage(sys.argv[1], sys.argv[2], BertConfig(dupe_factor=int(sys.argv[3]))), sys.argv[4], workers=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak_mb(corpus: Path, vocabulary: Path, dupe_factor: int, output: Path) -> int:
    command = [sys.executable, "-c", _PEAK, str(corpus), str(vocabulary), str(dupe_factor), str(output)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


WORDS = ["".join(pair) for pair in product(("ka", "lor", "mi", "sut", "te", "vorn", "gel", "ba"), repeat=4)]


def write_lines(path: Path, count: int) -> Path:
    """One document of sentences of 12 words."""
    draw = random.Random(0)
    with path.open("w") as stream:
        stream.writelines(" ".join(draw.choices(WORDS, k=12)) + "\n" for _ in range(count))
    return path


@pytest.mark.slow
def test_memory_grows_neither_with_a_document_s_size_nor_with_dupe_factor(tmp_path: Path) -> None:
    """60 MB in one document need at most 200 MB more than 1 MB does, 8 passes 50 MB more than one."""
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("".join(f"{token}\n" for token in [*SPECIALS, *WORDS]))
    small, large = write_lines(tmp_path / "small", 8_000), write_lines(tmp_path / "large", 480_000)
    base = peak_mb(small, vocabulary, 1, tmp_path / "one")
    whole = peak_mb(large, vocabulary, 1, tmp_path / "whole")
    assert whole < base + 200
    assert peak_mb(large, vocabulary, 8, tmp_path / "eight") < whole + 50
