"""What we write, read by the software of others in an environment of its own: `make test-interop`."""

import json
import os
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tests.conversation_datasets import REAL_DATA, made_examples
from threadmill.engine.run import run_stage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage
from threadmill.vocab.vocabulary import Vocabulary

PYTHON = os.environ.get("INTEROP_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="INTEROP_PYTHON names no environment; run `make test-interop`")

KINDS = {
    "wordpiece": VocabularyConfig(vocab_size=8000),
    "wordpiece-cased": VocabularyConfig(vocab_size=8000, lowercase=False),
    "unigram-bert": VocabularyConfig(kind="sentencepiece-unigram", vocab_size=8000),
    "bpe-bert": VocabularyConfig(kind="sentencepiece-bpe", vocab_size=8000),
    "unigram": VocabularyConfig(kind="sentencepiece-unigram", form="sentencepiece", vocab_size=8000),
    "bpe": VocabularyConfig(kind="sentencepiece-bpe", form="sentencepiece", vocab_size=8000, lowercase=False),
    "bytelevel": VocabularyConfig(kind="bytelevel-bpe", vocab_size=8000),
    "bytelevel-cased": VocabularyConfig(kind="bytelevel-bpe", vocab_size=8000, lowercase=False),
}
READERS = [
    *((name, "transformers") for name in KINDS),
    *((name, "google") for name in ("wordpiece", "wordpiece-cased", "unigram-bert", "bpe-bert")),
    *((name, "sentencepiece") for name in ("unigram", "bpe")),
]
# A special token's name in the text is text to us, and the special token to transformers.
_NAMES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>", "<s>", "</s>", "<mask>")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Real lines where they are: English and Arabic prose, titles of products, bodies of comments."""
    found = [turn for _, turns in made_examples(60) for turn in turns]
    found += [
        "",
        "  two  spaces ",
        "tab\tbetween",
        "naïve café ﬁne ①",
        "日本語 テスト",
        "x" * 150,
        "🙂👍🏽 👨‍👩‍👧",
        "e\u0301 \u200b zero",
    ]
    if REAL_DATA.exists():
        for name in ("Burnett_Garden_1911.txt", "Doyle_Hound_1902.txt"):
            found += (REAL_DATA / "text" / name).read_text("utf-8").split("\n")
        found += (REAL_DATA / "arabic" / "ar_lines.txt").read_text("utf-8").split("\n")[:5000]
        reviews = REAL_DATA / "amazon" / "amazon_reviews_us_Gift_Card_v1_00.sample.tsv"
        found += [
            field for line in reviews.read_text("utf-8").split("\n") for field in line.split("\t")[5:6] + line.split("\t")[13:14]
        ]
        comments = pl.read_ndjson(REAL_DATA / "reddit" / "RC_2008-01_first1000.ndjson", infer_schema_length=None)
        found += [line for body in comments["body"] for line in body.split("\n")]
    return [line for line in found if not any(name in line for name in _NAMES)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("vocabularies")
    (root / "corpus.txt").write_text("\n".join(lines[::2]), "utf-8")
    for name, config in KINDS.items():
        run_stage(VocabularyStage(str(root / "corpus.txt"), config), str(root / name))
    return {name: root / name for name in KINDS}


@pytest.mark.parametrize(("name", "reader"), READERS)
def test_others_get_our_ids(folders, lines, name, reader):
    vocabulary = Vocabulary.load(str(folders[name]))
    specials, *theirs = _read(reader, folders[name], lines)
    assert specials == [getattr(vocabulary.specials, each) for each in ("pad", "unk", "cls", "sep", "mask")]
    ours = vocabulary.encode(lines)
    differing = [line for number, line in enumerate(lines) if ours[number].tolist() != theirs[number]]
    assert differing == []


def _read(reader: str, folder: Path, lines: list[str]) -> list[list[int]]:
    script = Path(__file__).with_name("encode_lines.py")
    done = subprocess.run(
        [PYTHON, str(script), reader, str(folder)],
        input="".join(json.dumps(line) + "\n" for line in lines),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]
