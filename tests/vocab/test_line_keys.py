import numpy as np
import pyarrow as pa

from threadmill.documents.blocks import DocumentBlock
from threadmill.vocab.line_keys import document_keys, seed_key, thread_keys

KEY = seed_key(0)


def text(documents, continues=False):
    """A block of documents that are lists of lines."""
    lines = [line for document in documents for line in document]
    ends = np.cumsum([len(document) for document in documents])
    groups = np.arange(len(documents))
    return DocumentBlock(pa.array(lines, pa.large_string()), np.arange(len(lines)), ends, groups, continues)


def keys_of(block, state=KEY):
    return document_keys(block, KEY, state)[0].tolist()


def test_a_line_that_a_document_has_twice_has_two_keys():
    assert len(set(keys_of(text([["again", "again"], ["other"]])))) == 3


def test_keys_depend_on_the_document_and_not_on_where_it_stands():
    first, second = ["one", "two"], ["three", "two"]
    assert keys_of(text([first, second])) == keys_of(text([first])) + keys_of(text([second]))
    assert len(set(keys_of(text([first, second])))) == 4


def test_a_document_over_two_blocks_has_the_keys_of_a_whole_one():
    whole = keys_of(text([["one", "two", "three"], ["four"]]))
    head, state = document_keys(text([["one", "two"]]), KEY, KEY)
    rest, _ = document_keys(text([["three"], ["four"]], continues=True), KEY, state)
    assert [*head.tolist(), *rest.tolist()] == whole


def test_another_seed_gives_other_keys():
    block = text([["one"]])
    assert document_keys(block, seed_key(1), seed_key(1))[0] != document_keys(block, KEY, KEY)[0]


def threads():
    """Thread 0: root, yes, and root, no, yes; thread 1: start, yes."""
    lines = pa.array(["root", "yes", "no", "start"], pa.large_string())
    return DocumentBlock(lines, np.array([0, 1, 0, 2, 1, 3, 1]), np.array([2, 5, 7]), np.array([0, 0, 1]))


def test_a_line_counts_once_in_its_thread():
    keys, lines = thread_keys(threads(), KEY)
    assert lines.tolist() == [0, 1, 2, 1, 3]
    assert len(set(keys.tolist())) == 5


def test_keys_of_a_thread_do_not_depend_on_its_number():
    lines = pa.array(["start", "yes"], pa.large_string())
    alone, _ = thread_keys(DocumentBlock(lines, np.array([0, 1]), np.array([2]), np.array([7])), KEY)
    assert set(alone.tolist()) < set(thread_keys(threads(), KEY)[0].tolist())
