import pyarrow as pa
import pytest
from sentencepiece import SentencePieceProcessor

from tests.conversation_datasets import made_examples
from threadmill.errors import IntegrityError
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.sentencepiece_training import train_sentencepiece
from threadmill.vocab.vocabulary import Vocabulary

PROSE = [text for _, turns in made_examples(60) for text in turns] + ["naïve isn't it, Kara?"] * 5


@pytest.fixture(scope="module", params=["sentencepiece-unigram", "sentencepiece-bpe"])
def vocabulary(request):
    config = VocabularyConfig(kind=request.param, form="sentencepiece", vocab_size=150, lowercase=False)
    training = train_sentencepiece(pa.array(PROSE, pa.large_string()), config)
    tokens = tuple(training.tokens)
    return Vocabulary(tokens, False, kind=request.param, form="sentencepiece", model=training.files["spiece.model"])


def test_ids_are_those_of_the_library(vocabulary):
    lines = [*PROSE * 40, "", "  two   spaces ", "日本 unseen", "<mask> </s>", "\x00"]
    found = vocabulary.encode(lines)
    processor = SentencePieceProcessor(model_proto=vocabulary.model)
    assert [found[line].tolist() for line in range(len(lines))] == processor.encode(lines)


def test_special_tokens_other_than_unk_never_come_out_of_text(vocabulary):
    ids = set(vocabulary.encode(["<s> <pad> </s> <mask>", "<mask>"]).ids.tolist())
    assert not (ids - {vocabulary.specials.unk}) & set(vocabulary.special_ids.tolist())


def test_text_can_be_read_again(vocabulary):
    ids = vocabulary.encode(["Kara isn't it?"]).ids
    assert vocabulary.decode([vocabulary.specials.cls, *ids]) == "<s> Kara isn't it?"
    assert (~vocabulary.continuations[ids]).sum() == 3


def test_a_model_of_another_size_is_refused(vocabulary):
    with pytest.raises(IntegrityError, match=r"spiece\.model has"):
        Vocabulary((*vocabulary.tokens, "more"), kind=vocabulary.kind, form="sentencepiece", model=vocabulary.model).encode(["a"])
