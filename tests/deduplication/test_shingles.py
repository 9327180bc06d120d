from collections.abc import Sequence

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from threadmill.deduplication.shingles import shingles_of

# Unicode's White_Space (PropList.txt); str.isspace() has U+001C..U+001F too.
WHITE = {
    chr(point)
    for point in [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
}
TEXTS = st.lists(
    st.tuples(
        *[
            st.text(
                st.sampled_from([*"aAbBcé ß\t\u2003\u3000\x1c😀漢ÉΣ"]) | st.characters(exclude_categories=("Cs",)), max_size=12
            )
        ]
        * 2
    ),
    min_size=1,
    max_size=8,
)


def collapsed(text: str) -> str:
    """The text with its white space as it is to be."""
    words = "".join(" " if letter in WHITE else letter for letter in text).split(" ")
    return " ".join(word for word in words if word)


def plain_text(context: str, response: str) -> tuple[str, ...]:
    lower = pl.Series([context, response]).str.to_lowercase()
    return (*collapsed(lower[0]), "divider", *collapsed(lower[1]))


def plain_shingles(text: Sequence[str], ngram: int) -> list[Sequence[str]]:
    return [text[start : start + ngram] for start in range(max(1, len(text) - ngram + 1))]


@given(texts=TEXTS, ngram=st.integers(1, 7))
def test_shingles_are_equal_where_the_characters_are(texts: list[tuple[str, str]], ngram: int) -> None:
    found = shingles_of(pl.Series([first for first, _ in texts]), pl.Series([second for _, second in texts]), ngram)
    wanted = [plain_text(*pair) for pair in texts]
    sets = [plain_shingles(text, ngram) for text in wanted]
    assert np.diff(found.offsets).tolist() == [len(entry) for entry in sets]
    assert found.offsets[-1] == len(found.hashes)
    assert one_to_one(found.hashes.tolist(), [shingle for entry in sets for shingle in entry])
    assert one_to_one(found.exact.tolist(), wanted)


def one_to_one(hashes: Sequence[int], values: Sequence[Sequence[str]]) -> bool:
    pairs = set(zip(hashes, map(tuple, values), strict=True))
    return len(pairs) == len(set(hashes)) == len(set(map(tuple, values)))


def test_case_and_white_space_do_not_count_but_the_divide_of_the_turns_does() -> None:
    contexts = pl.Series(["Hello  there,\n you", " hello there, YOU ", "hello there,", None])
    responses = pl.Series(["ÀB", "àb", "you àb", "hello there, you àb"])
    exact = shingles_of(contexts, responses, 5).exact.tolist()
    assert exact[0] == exact[1]
    assert len(set(exact)) == 3


def test_nothing_gives_nothing() -> None:
    empty = pl.Series([], dtype=pl.String)
    found = shingles_of(empty, empty, 5)
    assert (len(found.hashes), found.offsets.tolist(), len(found.exact)) == (0, [0], 0)
