"""Compiles the numba kernels once, into their caches, so that a first run does not wait for it: `make install` calls it."""

import tempfile

from threadmill.conversations.stage import ConversationsStage
from threadmill.conversations.threads import ThreadsStage
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.sample import write_sample
from threadmill.engine.run import run_stage
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.stage import RecordsStage
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage


def warm_up(folder: str) -> None:
    """Runs every stage that has kernels, over a small sample world in ``folder``."""
    dumps = [str(path) for path in write_sample(folder, comments=2000)]
    run_stage(IngestStage(tuple(dumps)), f"{folder}/comments")
    run_stage(ThreadsStage((f"{folder}/comments",)), f"{folder}/threads", workers=1)
    run_stage(ConversationsStage(f"{folder}/threads"), f"{folder}/conversations", workers=1)
    run_stage(VocabularyStage(f"{folder}/conversations", VocabularyConfig(vocab_size=500)), f"{folder}/vocabulary", workers=1)
    run_stage(RecordsStage(f"{folder}/conversations", f"{folder}/vocabulary", BertConfig()), f"{folder}/records", workers=1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        warm_up(temporary)
