import pytest

from tests.conversation_datasets import made_examples, write_conversations
from threadmill.engine.run import run_stage
from threadmill.errors import InputError
from threadmill.vocab.check import check_vocabulary
from threadmill.vocab.config import SPECIAL_TOKENS, CheckConfig, VocabularyConfig
from threadmill.vocab.stage import VocabularyStage

FORMS = [
    ("wordpiece", ""),
    ("sentencepiece-unigram", "bert"),
    ("sentencepiece-bpe", "sentencepiece"),
    ("sentencepiece-unigram", "sentencepiece"),
    ("bytelevel-bpe", ""),
]


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("".join(f"{turn}.\n" for _, turns in made_examples(40) for turn in turns), "utf-8")
    return str(path)


def vocab_txt(tmp_path, entries):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{entry}\n" for entry in entries), "utf-8")
    return str(path)


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_a_vocabulary_of_the_corpus_has_no_fault(tmp_path, corpus, kind, form):
    config = VocabularyConfig(kind=kind, form=form, vocab_size=400 if kind == "bytelevel-bpe" else 150, held_out_lines=1)
    run_stage(VocabularyStage(corpus, config), str(tmp_path / "vocabulary"))
    findings = check_vocabulary(str(tmp_path / "vocabulary"), [corpus])
    assert findings.faults == ()
    assert (findings.kind, findings.form, findings.duplicates, findings.blank_lines) == (kind, form, 0, 0)
    assert sorted(findings.specials.values()) == [0, 1, 2, 3, 4]
    assert findings.coverage.words > 1000
    assert findings.coverage.unknown_rate == 0
    assert 1 <= findings.coverage.tokens_per_word < 2.5
    assert findings.characters.coverage == 1


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json", "spiece.model"])
@pytest.mark.parametrize("damage", ["another", "cut"])
def test_files_that_do_not_agree_are_told(tmp_path, corpus, name, damage):
    kinds = {
        "tokenizer.json": ("wordpiece", ""),
        "vocab.json": ("bytelevel-bpe", ""),
        "spiece.model": ("sentencepiece-bpe", "sentencepiece"),
    }
    kind, form = kinds[name]
    for folder, size in (("first", 270), ("second", 275)):
        config = VocabularyConfig(kind=kind, form=form, vocab_size=size if kind == "bytelevel-bpe" else size // 3)
        run_stage(VocabularyStage(corpus, config), str(tmp_path / folder))
    second = (tmp_path / "second" / name).read_bytes()
    (tmp_path / "first" / name).write_bytes(second if damage == "another" else second[: len(second) // 2])
    manifest, content = check_vocabulary(str(tmp_path / "first")).faults
    assert manifest.startswith(f"{name}: ")
    assert content.startswith(f"{name} {'and vocab.txt differ in' if damage == 'another' else 'cannot be read'}")


def test_a_changed_dataset_is_told(tmp_path, corpus):
    folder = tmp_path / "vocabulary"
    run_stage(VocabularyStage(corpus, VocabularyConfig(vocab_size=90)), str(folder))
    (folder / "vocab.txt").write_text((folder / "vocab.txt").read_text("utf-8") + "more\n", "utf-8")
    told = check_vocabulary(str(folder), [corpus]).faults
    assert any("vocab.txt" in fault and "manifest" in fault for fault in told)
    assert any("differ in 1 entries: 'more' is not in tokenizer.json, id 90 in vocab.txt" in fault for fault in told)


def test_blank_lines_duplicates_and_missing_special_tokens_are_told_with_their_places(tmp_path):
    findings = check_vocabulary(vocab_txt(tmp_path, ["[PAD]", "[UNK]", "[CLS]", "", "a", "##b", "a"]))
    missing, blank, repeated = findings.faults
    assert "no entry [SEP], [MASK]" in missing
    assert "line 4 (id 3)" in blank
    assert "'a' in the lines 5, 7" in repeated
    assert (findings.blank_lines, findings.duplicates) == (1, 1)
    assert findings.specials == {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2}


def test_special_tokens_may_have_other_ids(tmp_path):
    findings = check_vocabulary(vocab_txt(tmp_path, ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]))
    assert findings.faults == ()
    assert findings.specials["[MASK]"] == 5


def test_what_a_corpus_has_and_the_vocabulary_lacks_is_told(tmp_path):
    (tmp_path / "corpus.txt").write_text("ab ba\ncab!\n", "utf-8")
    findings = check_vocabulary(vocab_txt(tmp_path, [*SPECIAL_TOKENS, "a", "##b", "b", "c"]), [str(tmp_path / "corpus.txt")])
    # ab is a ##b; ba and cab lack ##a; ! is not there.
    assert (findings.coverage.words, findings.coverage.unknown_words) == (4, 3)
    characters = findings.characters
    assert (characters.characters, characters.missing_bare, characters.missing_continuations) == (4, 1, 1)
    assert characters.coverage == pytest.approx(5 / 8)
    assert characters.examples == "a!"
    assert len(findings.faults) == 2


def test_limits_are_settings(tmp_path, corpus):
    (tmp_path / "corpus.txt").write_text("abab\n", "utf-8")
    uri, corpora = vocab_txt(tmp_path, [*SPECIAL_TOKENS, "a", "##b", "##a"]), [str(tmp_path / "corpus.txt")]
    (told,) = check_vocabulary(uri, corpora).faults
    assert "4.00 tokens a word, 3 at most" in told
    assert check_vocabulary(uri, corpora, CheckConfig(max_tokens_per_word=4)).faults == ()


def test_conversations_are_a_corpus_too(tmp_path):
    talk = write_conversations(tmp_path / "talk", {"train": [made_examples(5)], "test": [[("t", ["ab ab", "ab"])]]})
    findings = check_vocabulary(vocab_txt(tmp_path, [*SPECIAL_TOKENS, "ab"]), [talk])
    assert findings.coverage.lines > 3
    assert findings.coverage.words - findings.coverage.unknown_words == 3


def test_cased_text_stays_cased(tmp_path):
    (tmp_path / "corpus.txt").write_text("Ab\n", "utf-8")
    uri, corpora = vocab_txt(tmp_path, [*SPECIAL_TOKENS, "A", "##b"]), [str(tmp_path / "corpus.txt")]
    assert check_vocabulary(uri, corpora, cased=True).faults == ()
    assert check_vocabulary(uri, corpora).coverage.unknown_words == 1


@pytest.mark.parametrize("name", ["nothing", "."])
def test_a_place_without_a_vocabulary_is_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"no vocab\.txt there"):
        check_vocabulary(str(tmp_path / name))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\n")
    with pytest.raises(InputError, match="not UTF-8"):
        check_vocabulary(str(tmp_path))
