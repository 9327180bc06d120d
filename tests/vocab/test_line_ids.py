import io
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.cli import main
from threadmill.errors import InputError
from threadmill.vocab import line_ids
from threadmill.vocab.line_ids import write_ids
from threadmill.vocab.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghi", "##a", "##b", "é", "."))


def ids_of(content, vocabulary=VOCABULARY, block=1 << 20):
    target = io.BytesIO()
    write_ids(vocabulary, io.BytesIO(content), target, block)
    return target.getvalue().decode()


def test_each_line_gives_a_line_of_ids_empty_ones_too():
    assert ids_of(b"a ab\n\n \nb.\n") == "5 5 15\n\n\n6 17\n"


def test_the_last_line_counts_without_a_newline_and_nothing_gives_nothing():
    assert ids_of(b"a\nb") == "5\n6\n"
    assert ids_of(b"") == ""
    assert ids_of(b"\n") == "\n"


def test_a_carriage_return_before_the_newline_is_no_part_of_the_line():
    assert ids_of(b"a\r\nb\r\n") == "5\n6\n"


def test_special_tokens_in_the_text_are_text():
    assert "4" not in ids_of(b"[MASK]\n").split()


@given(st.lists(st.text(st.sampled_from("ab é.日\r"), max_size=8), max_size=12), st.integers(1, 9))
def test_the_size_of_the_blocks_does_not_show(lines, block):
    content = "".join(f"{line}\n" for line in lines).encode()
    assert ids_of(content, block=block) == ids_of(content)
    assert ids_of(content).count("\n") == len(lines)


@pytest.mark.parametrize("block", [3, 1 << 20])
def test_a_line_that_is_not_utf8_is_named(block):
    with pytest.raises(InputError, match=r"^line 3: not UTF-8 \(byte 0xff\)"):
        ids_of(b"a\nb\nc\xff\nd\n", block=block)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(line_ids, "_LONGEST", 10)
    with pytest.raises(InputError, match=r"^line 3: 12 bytes or more without a line's end, 10 at most"):
        ids_of(b"a\nb\n" + b"c" * 40, block=4)


@pytest.fixture
def google(tmp_path):
    tokens = ["[unused0]", "[PAD]", "a", "A", "[UNK]", "[CLS]", "##b", "[SEP]", "[MASK]"]
    (tmp_path / "vocab.txt").write_text("\n".join(tokens) + "\n", "utf-8")
    return tmp_path


def tokenize(arguments, content):
    command = [sys.executable, "-m", "threadmill.cli", "tokenize", *arguments]
    return subprocess.run(command, input=content, capture_output=True, check=False, env=os.environ)


def test_the_shell_reads_standard_input_and_a_bare_vocabulary(google):
    assert tokenize(["--vocab", str(google)], b"A aB\nz").stdout == b"2 2 6\n4\n"
    cased = tokenize(["--vocab", str(google / "vocab.txt"), "--cased"], b"A aB\n")
    assert (cased.returncode, cased.stdout) == (0, b"3 4\n")


def test_a_folder_without_a_vocabulary_is_one_line_of_error(tmp_path, capsys):
    assert main(["tokenize", "--vocab", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
