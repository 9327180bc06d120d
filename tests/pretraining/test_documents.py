import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tests.conversation_datasets import FEATURES, Example, example_features
from threadmill.datasets.counters import Counters
from threadmill.pretraining.documents import conversation_documents
from threadmill.pretraining.stage import turn_columns
from threadmill.vocab.config import SPECIAL_TOKENS
from threadmill.vocab.vocabulary import Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *LETTERS, *(f"##{letter}" for letter in LETTERS)))


def read(examples: list[Example], **options):
    frame = pl.DataFrame([example_features(*example) for example in examples], schema=dict.fromkeys(FEATURES, pl.String))
    counters = Counters()
    documents = conversation_documents(frame, turn_columns(FEATURES), VOCABULARY, counters, **options)
    counters.check("test")
    return documents, counters


def texts(documents):
    """Each document as its turns, each turn as its tokens in one string."""
    turns = [
        "".join(VOCABULARY.tokens[token] for token in documents.sentences[turn]).replace("##", "") for turn in documents.turns
    ]
    return [turns[start:end] for start, end in zip(documents.turn_offsets, documents.turn_offsets[1:], strict=False)]


def test_turns_run_from_the_oldest_to_the_response():
    documents, _ = read([("t", list("abcdefghijk"))])
    assert texts(documents) == [list("abcdefghijk")]


def test_the_columns_of_turns_are_ordered_by_number_not_by_name():
    names = ["response", "context/1", "context/10", "context", "context/2", "context/0", "thread_id", "context_author"]
    assert turn_columns(names) == ["context/10", "context/2", "context/1", "context/0", "context", "response"]


def test_the_documents_of_a_thread_are_neighbours_and_keep_their_rows():
    documents, _ = read([("t1", ["a", "b"]), ("t2", ["c", "d"]), ("t1", ["a", "e"])])
    assert texts(documents) == [["a", "b"], ["a", "e"], ["c", "d"]]
    assert documents.rows.tolist() == [0, 2, 1]
    assert documents.threads.tolist() == [[0, 2], [0, 2], [2, 3]]


def test_an_example_that_is_the_beginning_of_a_longer_one_is_left_to_it():
    examples = [("t", ["a", "b"]), ("t", ["a", "b", "c"]), ("t", ["a", "b", "d"]), ("t", ["a", "e"])]
    documents, counters = read(examples)
    assert texts(documents) == [["a", "b", "c"], ["a", "b", "d"], ["a", "e"]]
    assert counters.dropped == {"prefix_of_longer": 1}


def test_prefixes_are_kept_on_request():
    documents, counters = read([("t", ["a", "b"]), ("t", ["a", "b", "c"])], keep_prefixes=True)
    assert texts(documents) == [["a", "b"], ["a", "b", "c"]]
    assert counters.kept == 2


def test_equal_turns_in_another_thread_or_twice_in_one_are_no_prefix():
    examples = [("t1", ["a", "b"]), ("t2", ["a", "b", "c"]), ("t3", ["d", "e"]), ("t3", ["d", "e"])]
    assert read(examples)[1].kept == 4


def test_turns_without_tokens_are_left_out_and_a_single_turn_is_no_document():
    documents, counters = read([("t1", ["", "a", " \n", "b"]), ("t2", ["c", "\u200b"]), ("t3", ["", ""])])
    assert texts(documents) == [["a", "b"]]
    assert counters.to_json() == {"read": 3, "kept": 1, "dropped": {"one_turn": 2}, "written": 0}


def test_an_empty_shard_has_no_documents():
    documents, counters = read([])
    assert len(documents) == 0
    assert counters.read == 0


TURNS = st.lists(st.sampled_from(["", "a", "b", "ab"]), min_size=2, max_size=5)


@given(st.lists(st.tuples(st.sampled_from(["t1", "t2"]), TURNS)))
def test_no_turn_is_lost_with_the_prefixes_that_are_dropped(examples):
    documents, counters = read(examples)
    whole = {(thread, tuple(turn for turn in turns if turn)) for thread, turns in examples}
    whole = {(thread, turns) for thread, turns in whole if len(turns) >= 2}
    kept = {(examples[row][0], tuple(turns)) for row, turns in zip(documents.rows, texts(documents), strict=True)}
    assert kept <= whole
    assert all(any(other == thread and longer[: len(turns)] == turns for other, longer in kept) for thread, turns in whole)
    assert not any(thread == other and len(a) < len(b) and b[: len(a)] == a for thread, a in kept for other, b in kept)
    assert counters.read == len(examples)
