"""Compiles the numba kernels once, into their caches, so that a first run does not wait for it: `make install` calls it."""

import tempfile
from dataclasses import asdict, replace

from threadmill.conversations.config import find_preset
from threadmill.corpora.sample import write_sample
from threadmill.engine.run import run_stage
from threadmill.fusion.reddit import RedditConfig, RedditStage
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage


def warm_up(folder: str) -> None:
    """Runs every stage that has kernels, over a small sample world in ``folder``."""
    dumps = tuple(str(path) for path in write_sample(folder, comments=2000))
    preset = find_preset("default")
    conversations, vocabulary = f"{folder}/conversations", f"{folder}/vocabulary"
    rules = replace(preset.conversations, drop_repeats=True)  # whose kernel measures words, for other presets
    run_stage(RedditStage(dumps, RedditConfig(**asdict(preset.threads), **asdict(rules))), conversations)
    run_stage(VocabularyStage(conversations, VocabularyConfig(vocab_size=500)), vocabulary, workers=1)
    run_stage(RecordsStage(conversations, vocabulary, BertConfig()), f"{folder}/records", workers=1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        warm_up(temporary)
