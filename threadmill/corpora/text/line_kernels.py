# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled loops over lines of UTF-8: clean them, find where documents end, count and hash."""

import numpy as np

from threadmill.kernels import kernel
from threadmill.randomness import hash_bytes, mix

SPACE_KIND, REPLACEMENT_KIND, REPEAT_KIND = 1, 6, 7  # of threadmill.corpora.text.characters
_KIND_MASK, _LETTER, _COMPOSES = 7, 64, 128
_NEWLINE, _BLANK = 10, 32
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)


@kernel
def _code_point(data, position):
    """The code point that begins at ``position`` of valid UTF-8, and its bytes."""
    first = np.int64(data[position])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return ((first & 31) << 6) | (np.int64(data[position + 1]) & 63), 2
    middle = (np.int64(data[position + 1]) & 63) << 6 | (np.int64(data[position + 2]) & 63)
    if first < 0xF0:
        return ((first & 15) << 12) | middle, 3
    return ((first & 7) << 18) | (middle << 6) | (np.int64(data[position + 3]) & 63), 4


@kernel
def _entry(table, point):
    """The table's entry; beyond it, what there is: compatibility ideographs, and tags where format characters go."""
    if point < len(table):
        return np.int64(table[point])
    if 0x2F800 <= point <= 0x2FA1F:
        return np.int64(_LETTER | _COMPOSES)
    if 0xE0000 <= point < 0xE0080:
        return np.int64(table[0x200B])
    return np.int64(0)


@kernel
def _plain_end(data, position, end, table, last, repeats):
    """Where the text that begins at ``position`` and stays as it is ends, without a blank at its end; and its last character.

    Args:
        last: the character before; repeats: False where none may be there twice in a row.
    """
    previous, place = np.int64(last), position
    while position < end:
        point, length = np.int64(data[position]), 1
        if point == _BLANK:
            if previous == _BLANK:
                break
        else:
            if point >= 0x80:
                point, length = _code_point(data, position)
            if point >= len(table) or table[point] & ~_LETTER != 0 or (point == previous and not repeats):
                break
            place, last = position + length, point
        previous = point
        position += length
    return place, last


@kernel
def _write(data, start, stop, output, size, gap):
    """Writes a piece, after a blank where there is a ``gap``; returns the end."""
    if gap:
        output[size] = _BLANK
        size += 1
    for index in range(start, stop):
        output[size + index - start] = data[index]
    return size + stop - start


@kernel
def _clean_line(data, position, end, table, max_repeats, output, size, tallies):
    """Writes one line at ``size``; returns where it ends there, the flags of its characters, and whether any went."""
    start, flags, removed = size, np.int64(0), False
    gap, last, run = False, np.int64(_BLANK), 0
    while position < end:
        stop, after = _plain_end(data, position, end, table, last, max_repeats == 0)
        if stop > position:
            size = _write(data, position, stop, output, size, gap)
            gap, last, run, position = False, after, 1, stop
            continue
        point, length = _code_point(data, position)
        entry = _entry(table, point)
        kind = entry & _KIND_MASK
        if kind == SPACE_KIND:
            gap, last = size > start, np.int64(_BLANK)
        elif kind == 0 or kind == REPLACEMENT_KIND:
            tallies[kind] += 1
            run = run + 1 if point == last else 1
            last = point
            if run > max_repeats > 0 and entry & _LETTER:
                tallies[REPEAT_KIND] += 1
                removed = True
            else:
                size = _write(data, position, position + length, output, size, gap)
                gap = False
                flags |= entry
        else:
            tallies[kind] += 1
            removed = True
        position += length
    return size, flags, removed


@kernel
def clean_lines(data, offsets, table, max_repeats, output, ends, composes, removed, tallies):
    """Writes the lines less what goes, each run of white space as one blank, none at the ends.

    Args:
        data, offsets: uint8 and int64[n + 1], lines of valid UTF-8.
        table: see `character_table`.
        max_repeats: of the same letter in a row at most; 0 for any.
        output: uint8, as long as the lines: filled.
        ends: int64[n + 1]: filled with the lines' bounds in ``output``.
        composes: bool[n]: set to where a line holds a character that NFC may change.
        removed: bool[n]: set to where a character of a line went, white space aside.
        tallies: int64[8]: what was removed, and replacement characters that were seen, is added by kind.
    """
    size = 0
    ends[0] = 0
    for line in range(len(offsets) - 1):
        size, flags, removed[line] = _clean_line(
            data, offsets[line], offsets[line + 1], table, max_repeats, output, size, tallies
        )
        ends[line + 1] = size
        composes[line] = flags & _COMPOSES != 0


@kernel
def lines_with(data, offsets, wanted, found):
    """Sets ``found``, bool[n], to whether a line holds one of the ``wanted`` bytes, bool[256]."""
    for line in range(len(offsets) - 1):
        found[line] = False
        for index in range(offsets[line], offsets[line + 1]):
            if wanted[data[index]]:
                found[line] = True
                break


@kernel
def document_ends(data, offsets, table, ends):
    """Where documents end, which is before a blank line.

    Args:
        ends: int64, one for each line: filled with the number of the line that ends each document (that follows it).

    Returns:
        How many documents there are, and lines that are not blank; whether the first line is blank; whether the last is not.
    """
    documents, filled = 0, 0
    is_open, first_blank = False, False
    for line in range(len(offsets) - 1):
        position, end = offsets[line], offsets[line + 1]
        blank = True
        while position < end and blank:
            point, length = _code_point(data, position)
            blank = _entry(table, point) & _KIND_MASK == SPACE_KIND
            position += length
        if blank:
            first_blank = first_blank or line == 0
            if is_open:
                ends[documents] = line
                documents += 1
        else:
            filled += 1
        is_open = not blank
    if is_open:
        ends[documents] = len(offsets) - 1
        documents += 1
    return documents, filled, first_blank, is_open


@kernel
def measure_lines(data, offsets, output, ends, hashes, characters, words):
    """Writes the lines, each with a newline, and tells of each: where it ends, its hash, characters and words.

    Args:
        data, offsets: uint8 and int64[n + 1], normalised lines.
        output: uint8, as long as the lines and their newlines: filled.
        ends, hashes, characters, words: [n] of int64, uint64, int64 and int64: filled.
    """
    size = 0
    for line in range(len(offsets) - 1):
        start, end = offsets[line], offsets[line + 1]
        points, blanks = 0, 0
        for index in range(start, end):
            value = data[index]
            output[size] = value
            size += 1
            points += value & 0xC0 != 0x80
            blanks += value == _BLANK
        output[size] = _NEWLINE
        size += 1
        ends[line] = size
        hashes[line] = mix(hash_bytes(_FNV_OFFSET, data, start, end))
        characters[line] = points
        words[line] = blanks + 1


@kernel
def fold_hashes(hashes, ends, state):
    """uint64[D]: a hash of each document's lines, the first going on from ``state``."""
    folded = np.empty(len(ends), np.uint64)
    start = 0
    for document in range(len(ends)):
        for line in range(start, ends[document]):
            state = mix((np.uint64(state) ^ hashes[line]) + np.uint64(1))
        folded[document] = state
        state = np.uint64(0)
        start = ends[document]
    return folded


@kernel
def end_after(ends, held, most, output):
    """Ends documents after ``most`` lines too, where there is no other end.

    Args:
        held: lines that the first document has already.
        output: int64: filled with the ends; room for one a line and document.

    Returns:
        How many documents there are, and whether the last ends for its length.
    """
    documents, start, full = 0, 0, False
    for document in range(len(ends)):
        place = start + most - held
        while place < ends[document]:
            output[documents] = place
            documents += 1
            place += most
        full = place == ends[document]
        output[documents] = ends[document]
        documents += 1
        start, held = ends[document], 0
    return documents, full


@kernel
def gather_documents(data, starts, stops, output):
    """Writes documents with a blank line between; returns the bytes.

    Args:
        data: uint8; starts, stops: int64[D], the documents' bytes in it; output: uint8, as long as these and D.
    """
    size = 0
    for document in range(len(starts)):
        if document:
            output[size] = _NEWLINE
            size += 1
        for index in range(starts[document], stops[document]):
            output[size] = data[index]
            size += 1
    return size


@kernel
def gather_slices(data, starts, stops, output, ends):
    """Writes slices end to end.

    Args:
        data: uint8; starts, stops: int64[n], its slices; output: uint8, as long as these.
        ends: int64[n + 1]: filled with the slices' bounds in ``output``.
    """
    size = 0
    ends[0] = 0
    for row in range(len(starts)):
        for index in range(starts[row], stops[row]):
            output[size] = data[index]
            size += 1
        ends[row + 1] = size


@kernel
def merge_ends(ends, least, output):
    """Makes one of documents that follow each other, until it has ``least`` lines; under half of it goes to the one before.

    Args:
        ends: int64[D]; output: int64[D]: filled with the ends.

    Returns:
        How many documents there are.
    """
    documents, start = 0, 0
    for document in range(len(ends)):
        if ends[document] - start >= least:
            output[documents] = start = ends[document]
            documents += 1
    if len(ends) and ends[-1] > start:
        if documents and 2 * (ends[-1] - start) < least:
            output[documents - 1] = ends[-1]
        else:
            output[documents] = ends[-1]
            documents += 1
    return documents
