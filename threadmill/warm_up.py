"""Compiles the numba kernels once, into their caches, so that a first run does not wait for it: `make install` calls it."""

import io
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from threadmill.conversations.config import find_preset
from threadmill.corpora.sample import write_sample
from threadmill.corpora.text.config import PRESETS as CORPUS_PRESETS
from threadmill.corpora.text.stage import CorpusStage
from threadmill.engine.run import run_stage
from threadmill.fusion.reddit import RedditConfig, RedditStage
from threadmill.pretraining.config import BertConfig, CausalConfig, RobertaConfig, Seq2SeqConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import SPECIAL_TOKENS, VocabularyConfig
from threadmill.vocab.line_ids import write_ids
from threadmill.vocab.stage import VocabularyStage
from threadmill.vocab.vocabulary import Vocabulary


def warm_up(folder: str) -> None:
    """Runs every stage that has kernels, over a small sample world in ``folder``."""
    dumps = tuple(str(path) for path in write_sample(folder, comments=2000))
    preset = find_preset("default")
    conversations, vocabulary = f"{folder}/conversations", f"{folder}/vocabulary"
    rules = replace(preset.conversations, drop_repeats=True)  # whose kernel measures words, for other presets
    run_stage(RedditStage(dumps, RedditConfig(**asdict(preset.threads), **asdict(rules))), conversations)
    run_stage(VocabularyStage(conversations, VocabularyConfig(vocab_size=500)), vocabulary, workers=1)
    _warm_up_records(folder, conversations, vocabulary)
    _warm_up_text(folder, str(dumps[0]))


def _warm_up_records(folder: str, conversations: str, vocabulary: str) -> None:
    """Makes records of every objective from conversations and text; of one also with ids wider than 16 bits."""
    text, wide = Path(folder, "text.txt"), Path(folder, "vocab.txt")
    text.write_text("One line.\nAnother one.\n\nA line.\n" * 20)
    wide.write_text("\n".join([*SPECIAL_TOKENS, *map(str, range(1 << 16))]) + "\n")
    configs = (BertConfig(), BertConfig(next_sentence=False), RobertaConfig(static_masking=True), Seq2SeqConfig(), CausalConfig())
    for number, config in enumerate(configs):
        stage = RecordsStage([conversations, str(text)], vocabulary, config)
        run_stage(stage, f"{folder}/records-{number}", workers=1)
    run_stage(RecordsStage(str(text), str(wide)), f"{folder}/wide-records", workers=1)


def _warm_up_text(folder: str, dump: str) -> None:
    """A text corpus with all rules of normalisation, a byte-level vocabulary of it, its records, and ids of lines."""
    corpus, vocabulary = f"{folder}/corpus", f"{folder}/bytelevel"
    run_stage(CorpusStage([dump], replace(CORPUS_PRESETS["arabic"].config, field="body")), corpus)
    run_stage(VocabularyStage(corpus, VocabularyConfig(kind="bytelevel-bpe", vocab_size=500)), vocabulary, workers=1)
    run_stage(RecordsStage(corpus, vocabulary, RobertaConfig()), f"{folder}/roberta", workers=1)
    write_ids(Vocabulary.load(vocabulary), io.BytesIO(b"One line.\n"), io.BytesIO())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        warm_up(temporary)
