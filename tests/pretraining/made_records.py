"""Tiny corpora whose every word is one token, so that each place of the corpus can be found again in the records."""

from collections.abc import Sequence
from pathlib import Path

from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.engine.run import run_stage
from threadmill.pretraining.config import RecordsConfig
from threadmill.pretraining.stage import RecordsStage

PAD, UNK, CLS, SEP, MASK, FIRST = range(6)
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def word(number: int) -> str:
    """The word whose token has the id FIRST + number."""
    return f"w{number}"


def write_vocabulary(folder: Path, words: int) -> str:
    """A bare vocabulary of the special tokens and so many words."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join([*SPECIALS, *map(word, range(words))]) + "\n")
    return str(folder)


def write_text(path: Path, documents: Sequence[Sequence[int]]) -> str:
    """A text file of documents of sentences, given as their numbers of words; the t-th word of all is word(t)."""
    number, lines = 0, []
    for document in documents:
        for size in document:
            lines.append(" ".join(word(number + place) for place in range(size)))
            number += size
        lines.append("")
    path.write_text("\n".join(lines))
    return str(path)


def make_records(
    corpora: str | Sequence[str], vocabulary: str, output: Path, config: RecordsConfig, workers: int = 1
) -> Manifest:
    """Runs the stage."""
    return run_stage(RecordsStage(corpora, vocabulary, config), str(output), workers=workers)


def read_split(output: Path, split: str = "train") -> list[dict[str, list]]:
    """All records of a split, as feature name -> values."""
    dataset = Dataset.open(str(output))
    return [parse_example(record) for shard in dataset.shards(split) for record in read_records(dataset.path(shard))]
