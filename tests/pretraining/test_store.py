import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from threadmill.documents.blocks import DocumentBlock
from threadmill.documents.sources import CONVERSATIONS_KIND, TEXT_KIND, Part
from threadmill.pretraining.store import StoreWriter
from threadmill.vocab.vocabulary import TokenLines


def part(name, kind=TEXT_KIND):
    return Part(name, "somewhere", kind, "train", 0, -1, 0)


def block(documents, groups, continues=False):
    """A block of documents, given as lists of sentences, which are lists of tokens; and its lines as tokens."""
    sentences = [sentence for document in documents for sentence in document]
    lines = TokenLines(
        np.array([t for s in sentences for t in s], np.int32), np.cumsum([0, *map(len, sentences)], dtype=np.int64)
    )
    ends = np.cumsum([len(document) for document in documents])
    text = pa.array([""] * len(sentences), pa.large_string())
    return DocumentBlock(text, np.arange(len(sentences)), ends, np.array(groups, np.int64), continues), lines


def read_back(store):
    """The documents of a store, and the groups as lists of document numbers."""
    documents = [
        [store.ids[start : start + length].tolist() for start, length in zip(store.starts[a:b], store.lengths[a:b], strict=True)]
        for a, b in zip(store.document_offsets[:-1], store.document_offsets[1:], strict=True)
    ]
    bounds = zip(store.group_offsets[:-1], store.group_offsets[1:], strict=True)
    groups = [list(range(first, stop)) for first, stop in bounds]
    assert [store.groups[document] for group in groups for document in group] == [
        g for g, group in enumerate(groups) for _ in group
    ]
    return documents, groups


SENTENCES = st.lists(st.lists(st.integers(0, 60_000), max_size=4), min_size=1, max_size=4)
PARTS = st.lists(st.lists(st.tuples(SENTENCES, st.booleans()), min_size=1, max_size=8), max_size=3)


@given(PARTS, st.data())
def test_documents_come_back_as_they_were_however_they_are_cut_into_blocks(tmp_path_factory, parts, data):
    """A document is given with whether it is of the thread of the one before; empty sentences and documents are left out."""
    writer, dropped = StoreWriter(tmp_path_factory.mktemp("store") / "tokens", 60_000), 0
    expected, expected_groups, names = [], [], []
    for number, documents in enumerate(parts):
        names.append(f"part {number}")
        this = part(names[-1])
        threads = np.cumsum([not same for _, same in documents]).tolist()
        last_thread = None
        for (sentences, _), thread in zip(documents, threads, strict=True):
            if whole := [sentence for sentence in sentences if sentence]:
                if thread == last_thread:
                    expected_groups[-1].append(len(expected))
                else:
                    expected_groups.append([len(expected)])
                expected.append(whole)
                last_thread = thread
        flat = [(index, sentence) for index, (sentences, _) in enumerate(documents) for sentence in sentences]
        cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(flat) - 1)), max_size=3)) - {len(flat)})
        before = None
        for start, stop in zip([0, *cuts], [*cuts, len(flat)], strict=True):
            numbers = sorted({index for index, _ in flat[start:stop]})
            cut = [[sentence for index, sentence in flat[start:stop] if index == number] for number in numbers]
            dropped += writer.append(this, *block(cut, [threads[n] for n in numbers], continues=numbers[0] == before))
            before = numbers[-1]
    dropped += writer.end_part()
    store = writer.open()
    assert read_back(store) == (expected, expected_groups)
    assert dropped == sum(map(len, parts)) - len(expected)
    assert [stored.name for stored in store.parts] == names
    assert [stored.first for stored in store.parts] + [store.documents] == [0, *(stored.stop for stored in store.parts)]
    assert store.tokens == sum(len(sentence) for document in expected for sentence in document)


def test_ids_take_two_bytes_where_the_vocabulary_allows_it(tmp_path):
    for size, dtype in ((65_536, np.uint16), (65_537, np.int32)):
        writer = StoreWriter(tmp_path / str(size), size)
        writer.append(part("a"), *block([[[0, size - 1]]], [0]))
        writer.end_part()
        store = writer.open()
        assert store.ids.dtype == dtype
        assert store.ids.tolist() == [0, size - 1]


def test_a_turn_that_documents_share_is_stored_once(tmp_path):
    writer = StoreWriter(tmp_path / "tokens", 100)
    lines = TokenLines(np.arange(6, dtype=np.int32), np.array([0, 3, 4, 6]))
    sentences = np.array([0, 1, 0, 2])
    shared = DocumentBlock(pa.array(["a", "b", "c"], pa.large_string()), sentences, np.array([2, 4]), np.array([7, 7]))
    writer.append(part("a", CONVERSATIONS_KIND), shared, lines)
    writer.end_part()
    store = writer.open()
    assert read_back(store) == ([[[0, 1, 2], [3]], [[0, 1, 2], [4, 5]]], [[0, 1]])
    assert store.tokens == 6
    assert not store.is_contiguous


def test_an_example_whose_response_has_no_token_is_left_out_where_responses_count(tmp_path):
    documents = [[[1], [2]], [[1], [2], []], [[1], [], [3]]]
    writer = StoreWriter(tmp_path / "tokens", 100, need_response=True)
    dropped = writer.append(part("a", CONVERSATIONS_KIND), *block(documents, [0, 0, 0])) + writer.end_part()
    assert dropped == 1
    assert read_back(writer.open()) == ([[[1], [2]], [[1], [3]]], [[0, 1]])
