import hashlib
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import BertWordPieceTokenizer

from tests.conversation_datasets import REAL_DATA, made_examples, write_conversations
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError, IntegrityError
from threadmill.vocab.config import VocabularyConfig
from threadmill.vocab.stage import VocabularyStage
from threadmill.vocab.vocabulary import Specials, Vocabulary
from threadmill.vocab.wordpiece import train_wordpiece

PROSE = [text for _, turns in made_examples(40) for text in turns] + ["Hello, world! It's [MASK] naïve, isn't it?", "日本 a"]
VOCABULARY = Vocabulary(tuple(train_wordpiece(pa.array(PROSE, pa.large_string()), VocabularyConfig(vocab_size=300)).tokens))


def encoded(lines):
    result = VOCABULARY.encode(lines)
    return [result[line].tolist() for line in range(len(result))]


def tokens(line):
    return [VOCABULARY.tokens[number] for number in encoded([line])[0]]


def test_ids_equal_those_of_the_public_bert_tokenizer_on_prose(tmp_path: Path):
    lines = [text for _, turns in made_examples(50, seed=3) for text in turns]
    if REAL_DATA.exists():
        lines += (REAL_DATA / "text" / "Burnett_Garden_1911.txt").read_text("utf-8").splitlines()
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in VOCABULARY.tokens), "utf-8")
    public = BertWordPieceTokenizer.from_file(str(tmp_path / "vocab.txt"), lowercase=True)
    assert encoded(lines) == [encoding.ids for encoding in public.encode_batch(lines, add_special_tokens=False)]


@pytest.mark.parametrize("name", ["[MASK]", "[CLS]", "[PAD]"])
def test_a_special_token_in_the_text_is_text(name):
    assert tokens(f"a {name} b")[1] == "["
    assert VOCABULARY.ids[name] not in encoded([f"a {name} b", name])[0]


def test_lists_arrow_arrays_slices_and_nulls_are_all_encoded():
    array = pa.array(["skipped", "kara", None, "", "teset kara"], pa.string())
    assert encoded(array[1:]) == encoded(["kara", "", "", "teset kara"])
    assert encoded([]) == []


def test_a_word_of_more_than_200_characters_is_unknown():
    assert tokens("k" * 200) != ["[UNK]"]
    assert tokens("k" * 201) == ["[UNK]"]


def test_ordinary_ids_leave_out_the_special_tokens():
    assert VOCABULARY.ordinary_ids.tolist() == list(range(5, len(VOCABULARY)))


def test_continuations_are_the_pieces_that_go_on_inside_a_word():
    ids = encoded(["sudolkara, 日本"])[0]
    assert len(ids) > 4
    assert int(np.count_nonzero(~VOCABULARY.continuations[ids])) == 4


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    conversations = write_conversations(tmp_path / "conversations", {"train": [made_examples(30)]})
    run_stage(VocabularyStage(conversations, VocabularyConfig(vocab_size=90)), str(tmp_path / "vocabulary"))
    return str(tmp_path / "vocabulary")


def test_a_loaded_vocabulary_has_the_digest_of_its_manifest_and_tokens_in_order(dataset):
    vocabulary = Vocabulary.load(dataset)
    assert len(vocabulary.digest) == 64
    assert vocabulary.tokens[:5] == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    assert [vocabulary.ids[token] for token in vocabulary.tokens] == list(range(len(vocabulary)))


def test_a_vocabulary_that_was_edited_is_refused(dataset):
    path = Path(dataset) / "vocab.txt"
    path.write_text(path.read_text("utf-8").replace("kara", "karo"), "utf-8")
    with pytest.raises(IntegrityError, match=r"vocab\.txt was changed"):
        Vocabulary.load(dataset)


def test_a_dataset_that_is_no_vocabulary_is_refused(tmp_path):
    conversations = write_conversations(tmp_path / "conversations", {"train": [made_examples(3)]})
    with pytest.raises(InputError, match="stage conversations"):
        Vocabulary.load(conversations)
    with pytest.raises(InputError):
        Vocabulary.load(str(tmp_path / "none"))


def write_google(folder: Path, *lines: str, end: str = "\n") -> str:
    (folder / "vocab.txt").write_bytes("".join(line + end for line in lines).encode())
    return str(folder)


GOOGLE = ("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##seen", "é")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_googles_bare_vocab_txt_loads_as_a_folder_and_as_a_file(tmp_path, end):
    folder = write_google(tmp_path, *GOOGLE, end=end)
    for uri in (folder, f"{folder}/vocab.txt"):
        vocabulary = Vocabulary.load(uri)
        assert vocabulary.tokens == GOOGLE
        assert vocabulary.specials == Specials(pad=0, unk=2, cls=3, sep=4, mask=5)
        assert vocabulary.ordinary_ids.tolist() == [1, 6, 7, 8]
        assert vocabulary.digest == hashlib.sha256((tmp_path / "vocab.txt").read_bytes()).hexdigest()
        assert vocabulary.as_input().digest == vocabulary.digest
        assert vocabulary.encode(["Unseen É"]).ids.tolist() == [6, 7, 2]


def test_the_vocab_txt_of_a_dataset_is_that_dataset(tmp_path):
    conversations = write_conversations(tmp_path / "conversations", {"train": [made_examples(30)]})
    run_stage(VocabularyStage(conversations, VocabularyConfig(vocab_size=90, lowercase=False)), str(tmp_path / "vocabulary"))
    vocabulary = Vocabulary.load(str(tmp_path / "vocabulary" / "vocab.txt"))
    assert vocabulary == Vocabulary.load(str(tmp_path / "vocabulary"))
    assert not vocabulary.lowercase
    assert vocabulary.digest == Vocabulary.load(str(tmp_path / "vocabulary")).digest


def test_a_bare_vocabulary_is_cased_where_one_says_so(tmp_path):
    vocabulary = Vocabulary.load(write_google(tmp_path, *GOOGLE), cased=True)
    assert vocabulary.encode(["unseen é Unseen"]).ids.tolist() == [6, 7, 8, 2]


def test_a_repeated_entry_counts_where_it_stands_last_and_a_blank_line_is_an_entry_as_in_googles_loader(tmp_path):
    vocabulary = Vocabulary.load(write_google(tmp_path, *GOOGLE, "", "un"))
    assert len(vocabulary) == len(GOOGLE) + 2
    assert vocabulary.encode(["unseen un"]).ids.tolist() == [10, 7, 10]


def test_a_bare_vocabulary_without_special_tokens_is_refused_by_their_names(tmp_path):
    with pytest.raises(InputError, match=r"has no \[CLS\], \[MASK\] among its 4 entries"):
        Vocabulary.load(write_google(tmp_path, "[PAD]", "[UNK]", "[SEP]", "a"))


def test_a_bare_vocabulary_that_is_not_text_is_refused_with_its_line(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"vocab\.txt, line 2: not UTF-8"):
        Vocabulary.load(str(tmp_path))


def test_cased_is_refused_for_a_vocabulary_that_was_made_of_lower_cased_text(dataset):
    with pytest.raises(ConfigError, match="--no-lowercase"):
        Vocabulary.load(dataset, cased=True)


def test_ids_read_as_words():
    ids = VOCABULARY.encode(["sudolkara, 日本"]).ids.tolist()
    specials = VOCABULARY.specials
    text = VOCABULARY.decode([specials.cls, *ids, specials.mask, specials.sep])
    assert text == "[CLS] sudolkara , 日 本 [MASK] [SEP]"


def test_a_vocabulary_that_has_been_used_can_be_sent_to_another_process():
    vocabulary = pickle.loads(pickle.dumps(VOCABULARY))
    assert vocabulary.encode(["kara"]).ids.tolist() == encoded(["kara"])[0]


def test_a_second_entry_of_a_special_token_is_not_ordinary() -> None:
    vocabulary = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "[MASK]"))
    assert vocabulary.ordinary_ids.tolist() == [5]


def test_a_byte_order_mark_is_told(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\ufeff[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"vocab\.txt begins with a byte order mark"):
        Vocabulary.load(str(tmp_path))


def test_what_a_killed_run_left_is_no_bare_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n")
    (tmp_path / ".receipts").mkdir()
    with pytest.raises(InputError, match="is the output of a run that has not ended"):
        Vocabulary.load(str(tmp_path))
