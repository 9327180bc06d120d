import json

import pytest

from tests.conversation_datasets import made_examples, write_conversations
from threadmill.cli import main
from threadmill.datasets.manifest import read_manifest
from threadmill.vocab.config import SPECIAL_TOKENS


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("".join(f"{turn}.\n" for _, turns in made_examples(40) for turn in turns), "utf-8")
    return str(path)


def vocab_txt(tmp_path, entries):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{entry}\n" for entry in entries), "utf-8")
    return str(path)


class TestTrain:
    @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece-unigram", "sentencepiece-bpe", "bytelevel-bpe"])
    def test_makes_a_vocabulary_of_each_kind_from_several_corpora(self, tmp_path, corpus, kind):
        talk = write_conversations(tmp_path / "talk", {"train": [made_examples(5, seed=1)]})
        output = tmp_path / "vocabulary"
        arguments = ["vocab", "train", corpus, talk, "--kind", kind, "--size", "300", "--output", str(output)]
        assert main(["--quiet", *arguments]) == 0
        manifest = read_manifest(str(output))
        assert [entry.name for entry in manifest.inputs] == ["corpus.txt", "conversations"]
        assert manifest.config["kind"] == kind
        assert manifest.config["form"] == ("bert" if kind.startswith("sentencepiece") else "")
        assert len((output / "vocab.txt").read_text("utf-8").splitlines()) == manifest.records
        assert manifest.statistics["held_out"]["unknown_rate"] == 0

    def test_a_form_is_for_sentencepiece_only(self, tmp_path, corpus, capsys):
        assert main(["vocab", "train", corpus, "--form", "bert", "--output", str(tmp_path / "out")]) == 2
        assert "wordpiece has no forms; leave it out" in capsys.readouterr().err

    @pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece-unigram", "bytelevel-bpe"])
    def test_a_size_that_is_too_small_is_refused_in_one_line_and_leaves_nothing(self, tmp_path, corpus, kind, capsys):
        output = tmp_path / "out"
        assert main(["--quiet", "vocab", "train", corpus, "--kind", kind, "--size", "9", "--output", str(output)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "raise it to" in line
        assert not output.exists()

    def test_a_corpus_without_text_is_refused_by_name(self, tmp_path, corpus, capsys):
        (tmp_path / "empty.txt").touch()
        assert main(["vocab", "train", corpus, str(tmp_path / "empty.txt"), "--output", str(tmp_path / "out")]) == 2
        assert "empty.txt holds no text; leave it out" in capsys.readouterr().err


class TestCheck:
    def test_prints_a_table_and_gives_the_status(self, tmp_path, corpus, capsys):
        good = str(tmp_path / "vocabulary")
        assert main(["--quiet", "vocab", "train", corpus, "--size", "90", "--output", good]) == 0
        assert main(["vocab", "check", good, corpus]) == 0
        printed = capsys.readouterr().out
        assert "[PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4" in printed
        assert "unknown words" in printed
        assert "fault" not in printed

    def test_a_fault_is_a_line_and_the_status_is_1(self, tmp_path, capsys):
        assert main(["vocab", "check", vocab_txt(tmp_path, ["[PAD]", "a"])]) == 1
        assert capsys.readouterr().out.splitlines()[-1].startswith("fault: no entry [UNK]")

    def test_json_holds_the_same(self, tmp_path, corpus, capsys):
        assert main(["vocab", "check", vocab_txt(tmp_path, [*SPECIAL_TOKENS, "a"]), corpus, "--json"]) == 1
        printed = json.loads(capsys.readouterr().out)
        assert printed["coverage"]["unknown_rate"] > 0.9
        assert printed["specials"]["[MASK]"] == 4
        assert len(printed["faults"]) == 2
