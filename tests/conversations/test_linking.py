import time

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from threadmill.conversations.linking import NONE, ancestors, generations, link, of_ancestors, roots


def frame(rows: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["thread_id", "id", "parent_id", "parent_kind"], orient="row")


def test_parents_are_found_within_their_thread_alone() -> None:
    comments = frame(
        [
            ("t", "a", "t", "submission"),
            ("t", "b", "a", "comment"),
            ("u", "b", "a", "comment"),
            ("u", "c", "b", "comment"),
        ]
    )
    links = link(comments, parent_kinds=True)
    assert links.parent.tolist() == [NONE, 0, NONE, 2]
    assert links.root.tolist() == [0, 0, 2, 2]


def test_a_submission_with_a_comments_id_is_no_parent_unless_kinds_are_ignored() -> None:
    comments = frame([("a", "a", "a", "submission"), ("a", "b", "a", "submission"), ("a", "c", "a", "comment")])
    assert link(comments, parent_kinds=True).parent.tolist() == [NONE, NONE, 0]
    assert link(comments, parent_kinds=False).parent.tolist() == [0, 0, 0]
    assert link(comments, parent_kinds=False).root.tolist() == [NONE, NONE, NONE]


def test_comments_that_lead_into_a_cycle_have_no_root() -> None:
    self_parent, pair, three, tail = [0], [2, 1], [4, 5, 3], [3, 6]
    parent = np.array([*self_parent, *pair, *three, *tail, NONE, 8], np.int64)
    assert roots(parent).tolist() == [NONE] * 8 + [8, 8]


def test_no_comments_have_no_links() -> None:
    links = link(frame([]).cast(pl.String), parent_kinds=True)
    assert links.parent.tolist() == links.root.tolist() == []


@given(st.integers(1, 30).flatmap(lambda count: st.lists(st.integers(NONE, count - 1), min_size=count, max_size=count)))
def test_roots_and_ancestors_are_those_of_a_walk(parents: list[int]) -> None:
    def walk(row: int) -> list[int]:
        chain = [row]
        while parents[chain[-1]] != NONE and len(chain) < len(parents) + 6:
            chain.append(parents[chain[-1]])
        return chain

    parent = np.array(parents, np.int64)
    chains = [walk(row) for row in range(len(parents))]
    assert roots(parent).tolist() == [chain[-1] if len(chain) <= len(parents) else NONE for chain in chains]
    found = ancestors(parent, np.arange(len(parents)), 5)
    for row, chain in enumerate(chains):
        assert found[:, row].tolist() == (chain[1:6] + [NONE] * 5)[:5]


@given(st.integers(1, 30).flatmap(lambda count: st.lists(st.integers(NONE, count - 1), min_size=count, max_size=count)))
def test_marks_and_numbers_of_ancestors_are_those_of_a_walk(parents: list[int]) -> None:
    parent = np.array(parents, np.int64)
    marks = np.uint64(1) << np.arange(len(parents), dtype=np.uint64)
    found, counts = of_ancestors(parent, marks), generations(parent)
    for row in range(len(parents)):
        above: list[int] = []
        current = parents[row]
        while current != NONE and current not in above:
            above.append(current)
            current = parents[current]
        assert int(found[row]) == sum(1 << ancestor for ancestor in above)
        if current == NONE:  # else it leads into a cycle
            assert counts[row] == len(above)


def test_a_comment_that_answers_a_submission_has_it_as_parent_where_titles_are_wanted() -> None:
    rows = [
        ("t", "t", None, "none"),
        ("t", "a", "t", "submission"),
        ("t", "b", "a", "comment"),
        ("u", "c", "u", "submission"),
        ("v", "v", "v", "submission"),
        ("v", "v", None, "none"),
    ]
    comments = frame(rows)  # type: ignore[arg-type]
    assert link(comments, parent_kinds=True, titles=True).parent.tolist() == [NONE, 0, 1, NONE, 5, NONE]
    assert link(comments, parent_kinds=True, titles=True).root.tolist() == [0, 0, 0, 3, 5, 5]
    assert link(comments, parent_kinds=True).parent.tolist() == [NONE, NONE, 1, NONE, NONE, NONE]
    assert link(comments, parent_kinds=False).parent.tolist() == [NONE, NONE, 1, NONE, 4, NONE]


def test_a_deep_chain_is_followed_to_its_root() -> None:
    count = 100_000
    started = time.process_time()
    order = np.random.Generator(np.random.PCG64(1)).permutation(count)
    parent = np.empty(count, np.int64)
    parent[order] = np.concatenate([[NONE], order[:-1]])
    assert (roots(parent) == order[0]).all()
    assert time.process_time() - started < 5
