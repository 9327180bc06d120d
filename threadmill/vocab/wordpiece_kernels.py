# mypy: disable-error-code="no-untyped-def,no-untyped-call,assignment"
"""Compiled loops of WordPiece: the tokens as a trie, and lines of UTF-8 to ids in one pass with a cache of words.

BERT's text rules cut at ASCII white space and at ASCII punctuation wherever it stands, and what they do between two cuts
does not depend on the rest but for the code points that `threadmill.vocab.bert_text` marks as `EXACT`. So what stands
between two cuts, a chunk, has the same ids wherever it is seen.
"""

from typing import Any, NamedTuple

import numpy as np

from threadmill.kernels import inlined, kernel
from threadmill.vocab.bert_text import EXACT
from threadmill.vocab.chunk_memory import DONE, KEY_BYTES, NEEDS_EXACT, NEEDS_PAGE, NEEDS_ROOM, code_point, recall, remember

MAX_CHARACTERS = 200  # a longer word is [UNK], as in google-research/bert's WordpieceTokenizer

_WORD, _SPACE, _MARK = range(3)
_SPACE_BYTE = 0x20
_INSIDE = 1  # the trie's second root: what follows "##"


def _byte_kinds():
    kinds = np.zeros(256, np.uint8)
    kinds[[9, 10, 13, 32]] = _SPACE
    kinds[[*range(33, 48), *range(58, 65), *range(91, 97), *range(123, 127)]] = _MARK
    return kinds


_KINDS = _byte_kinds()
_HASH = np.uint64(0x9E3779B97F4A7C15)
_EIGHT, _SHIFT_EDGE = np.uint64(8), np.uint64(20)
_HIGH, _CHILD, _ENDS = np.uint64(32), np.uint64(0x7FFFFFFF), np.uint64(0x80000000)
_NO_PAGE, _NOT_ALONE = -1, -2


class Trie(NamedTuple):
    """A vocabulary's tokens.

    Attributes:
        edges: uint64, an open hash table of the edges.
        ends: int32, the id that ends at each node, or -1.
        marks: int32[128], the id of each ASCII punctuation mark.
        unknown: the id of [UNK].
    """

    edges: Any
    ends: Any
    marks: Any
    unknown: int


@kernel
def _edge(edges, node, byte):
    """The slot of an edge of the trie, or the free slot where it belongs; a slot is 0 if free."""
    last = np.uint64(len(edges) - 1)
    key = (np.uint64(node) << _EIGHT) | np.uint64(byte)
    slot = ((key * _HASH) >> _SHIFT_EDGE) & last
    while edges[slot] != 0 and (edges[slot] >> _HIGH) != key:
        slot = (slot + np.uint64(1)) & last
    return slot


@kernel
def build_trie(content, offsets):
    """The tokens as a trie over their bytes, with a root for beginnings of words (0) and one for what follows "##" (1).

    Args:
        content: uint8, the tokens end to end; token i is content[offsets[i]:offsets[i + 1]].

    Returns:
        uint64, the edges as an open hash table; int32, the id that ends at each node, or -1. Of equal tokens the last
        counts, as in Google's load_vocab.
    """
    size = 1024
    while 4 * size < 5 * len(content):
        size *= 2
    edges, ends = np.zeros(size, np.uint64), np.full(len(content) + 2, -1, np.int32)
    nodes = 2
    for token in range(len(offsets) - 1):
        node, slot, start, stop = 0, np.uint64(0), offsets[token], offsets[token + 1]
        if stop - start > 2 and content[start] == 35 and content[start + 1] == 35:
            node, start = _INSIDE, start + 2
        for position in range(start, stop):
            slot = _edge(edges, node, content[position])
            if edges[slot] == 0:
                key = (np.uint64(node) << _EIGHT) | np.uint64(content[position])
                edges[slot] = (key << _HIGH) | np.uint64(nodes)
                nodes += 1
            node = np.int64(edges[slot] & _CHILD)
        if stop > start:
            edges[slot] |= _ENDS
            ends[node] = token
    return edges, ends[:nodes].copy()


@kernel
def _end_word(word, length, letters, trie, ids, count):
    """Writes the ids of word[:length] to ids[count:], longest match first; the count after them."""
    if letters > MAX_CHARACTERS:
        ids[count] = trie.unknown
        return count + 1
    edges, ends = trie.edges, trie.ends
    start, node, written = 0, 0, count
    while start < length:
        found, stop, position = np.int32(-1), start, start
        while position < length:
            edge = edges[_edge(edges, node, word[position])]
            if edge == 0:
                break
            node = np.int64(edge & _CHILD)
            position += 1
            if edge & _ENDS:
                found, stop = ends[node], position
        if found < 0:
            ids[count] = trie.unknown
            return count + 1
        ids[written] = found
        written += 1
        start, node = stop, _INSIDE
    return written


@kernel
def _add_byte(byte, word, length, letters):
    """Writes a byte to the end of a word unless the word is too long already; its bytes and letters after it."""
    letters += (byte & 0xC0) != 0x80
    if letters <= MAX_CHARACTERS:
        word[length] = byte
        length += 1
    return length, letters


@kernel
def encode_words(content, trie, ids):
    """Writes the ids of words, UTF-8 with a space after each, to ``ids``; returns how many."""
    word, length, letters, count = np.empty(4 * MAX_CHARACTERS, np.uint8), 0, 0, 0
    for byte in content:
        if byte != _SPACE_BYTE:
            length, letters = _add_byte(byte, word, length, letters)
        else:
            count = _end_word(word, length, letters, trie, ids, count)
            length, letters = 0, 0
    return count


@kernel
def _encode_chunk(data, start, stop, tables, trie, word, ids, count):
    """Writes the ids of data[start:stop] to ids[count:].

    Returns:
        The count after them; or `_NO_PAGE` and the page that is missing, or `_NOT_ALONE`.
    """
    pages, bounds, content = tables.pages, tables.bounds, tables.content
    length, letters, position = 0, 0, start
    while position < stop:
        point, position = code_point(data, position)
        page, place = pages[point >> 8], point & 0xFF
        if page < 0:
            return _NO_PAGE, point >> 8
        for index in range(bounds[page, place], bounds[page, place + 1]):
            byte = content[index]
            if byte == EXACT:
                return _NOT_ALONE, 0
            if byte != _SPACE_BYTE:
                length, letters = _add_byte(byte, word, length, letters)
            elif length:
                count = _end_word(word, length, letters, trie, ids, count)
                length, letters = 0, 0
    if length:
        count = _end_word(word, length, letters, trie, ids, count)
    return count, 0


@inlined
def _pack(data, position, limit):
    """Up to eight bytes of the chunk at ``position`` as a number, and where they end."""
    packed, shift, limit = np.uint64(0), np.uint64(0), min(limit, position + 8)
    while position < limit and _KINDS[data[position]] == _WORD:
        packed |= np.uint64(data[position]) << shift
        shift += _EIGHT
        position += 1
    return packed, position


@inlined
def _chunk(data, start, end):
    """The chunk that begins at ``start``: its first 16 bytes as two numbers, and where it ends."""
    low, stop = _pack(data, start, end)
    high = np.uint64(0)
    if stop == start + 8:
        high, stop = _pack(data, stop, end)
        if stop == start + KEY_BYTES:
            while stop < end and _KINDS[data[stop]] == _WORD:
                stop += 1
    return low, high, stop


@kernel
def _need(after, page, data, position, end, state):
    """Writes to ``state`` what must come from outside before the stretch can be tokenised; returns what kind of thing it is."""
    if after == _NO_PAGE:
        state[3] = page
        return NEEDS_PAGE
    while position < end and _KINDS[data[position]] != _SPACE:
        position += 1
    state[3] = position
    return NEEDS_EXACT


@kernel
def _encode_line(data, position, end, tables, trie, memory, state, ids, count):
    slots, numbers, word, marks = memory.slots, memory.numbers, memory.word, trie.marks
    while position < end:
        kind = _KINDS[data[position]]
        if kind == _SPACE:
            position += 1
            state[1], state[2] = position, count
            continue
        if kind == _MARK:
            ids[count] = marks[data[position]]
            count += 1
            position += 1
            continue
        low, high, stop = _chunk(data, position, end)
        short = stop - position <= KEY_BYTES
        after = recall(slots, numbers, low, high, ids, count) if short else -1
        if after < 0:
            after, page = _encode_chunk(data, position, stop, tables, trie, word, ids, count)
            if after < 0:
                return _need(after, page, data, stop, end, state)
            if short:
                remember(slots, numbers, low, high, ids, count, after)
        position, count = stop, after
    state[1], state[2] = end, count
    return DONE


@kernel
def encode_lines(data, offsets, tables, trie, memory, state, ids, id_offsets):
    """Tokenises lines until all are done or something is needed from outside; called again, it goes on from ``state``.

    Args:
        data: uint8, valid UTF-8; line i is data[offsets[i]:offsets[i + 1]].
        state: int64[4], zeros at first: the line; the place in ``data`` where the last stretch between white space began, and
            the count of ids before it; what is needed.
        ids: int32, what is written; line i gets ids[id_offsets[i]:id_offsets[i + 1]].

    Returns:
        DONE; NEEDS_PAGE (state[3] is the page); NEEDS_EXACT (data[state[1]:state[3]] must be tokenised by other means);
        NEEDS_ROOM (``ids`` must hold state[3] more than its count).
    """
    for line in range(state[0], len(offsets) - 1):
        position, end = max(offsets[line], state[1]), offsets[line + 1]
        state[0], state[1] = line, position
        if state[2] + (end - position) > len(ids):
            state[3] = end - position
            return NEEDS_ROOM
        need = _encode_line(data, position, end, tables, trie, memory, state, ids, state[2])
        if need != DONE:
            return need
        id_offsets[line + 1] = state[2]
    return DONE
