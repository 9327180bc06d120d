"""The objectives on novels and on the first month of Reddit's comments: what stands in the records is what stands in the text."""

from collections import Counter

import pytest

from tests.conversation_datasets import REAL_DATA
from tests.pretraining.made_records import make_records, read_split
from threadmill.cli import main
from threadmill.conversations.reading import read_examples
from threadmill.datasets.dataset import Dataset
from threadmill.engine.run import run_stage
from threadmill.pretraining.config import CausalConfig, RobertaConfig, Seq2SeqConfig
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage
from threadmill.vocab.vocabulary import Vocabulary

NOVELS, COMMENTS = REAL_DATA / "text", REAL_DATA / "reddit" / "RC_2005-12.zst"

pytestmark = pytest.mark.skipif(not (NOVELS.is_dir() and COMMENTS.is_file()), reason="needs the novels and the comments")


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("real") / "vocabulary")
    run_stage(VocabularyStage([str(NOVELS / "Doyle_Hound_1902.txt")], VocabularyConfig(vocab_size=3000)), folder)
    return folder


@pytest.mark.parametrize(
    "config",
    [
        RobertaConfig(max_seq_length=64),
        RobertaConfig(max_seq_length=64, across_documents=False),
        CausalConfig(max_seq_length=64),
    ],
    ids=["full sentences", "doc sentences", "causal"],
)
def test_novels_are_in_the_records_token_by_token(vocabulary, tmp_path, config):
    novel = NOVELS / "Burnett_Garden_1911.txt"
    make_records(str(novel), vocabulary, tmp_path / "records", config, workers=2)
    loaded = Vocabulary.load(vocabulary)
    special = {loaded.specials.cls, loaded.specials.sep, loaded.specials.pad}
    found = Counter(token for record in read_split(tmp_path / "records") for token in record["input_ids"] if token not in special)
    lines = novel.read_text("utf-8-sig").split("\n")
    assert found == Counter(loaded.encode([line for line in lines if line.strip()]).ids.tolist())


def test_every_reply_on_reddit_is_learned_once(vocabulary, tmp_path):
    assert main(["--quiet", "reddit", str(COMMENTS), "--output", str(tmp_path / "reddit")]) == 0
    conversations = Dataset.open(str(tmp_path / "reddit" / "conversations"))
    config = Seq2SeqConfig(max_seq_length=64, max_target_length=32)
    manifest = make_records(conversations.uri, vocabulary, tmp_path / "records", config)
    loaded = Vocabulary.load(vocabulary)
    for split in conversations.splits():
        frames = [read_examples(conversations.path(shard), ["response"]) for shard in conversations.shards(split)]
        replies = [response for frame in frames for response in frame["response"]]
        ids = loaded.encode(replies)
        wanted = Counter(tuple(ids[place][:31].tolist()) for place in range(len(replies)))
        found = Counter()
        for record in read_split(tmp_path / "records", split):
            for number in range(1, max(record["decoder_segment_ids"]) + 1):
                pairs = zip(record["decoder_labels"], record["decoder_segment_ids"], strict=True)
                found[tuple(token for token, segment in pairs if segment == number)[:-1]] += 1
        assert found == wanted
        assert manifest.statistics["splits"][split]["pairs"] == len(replies)
