"""Lines of JSON to columns of comments in one compiled pass. What is not in the dumps' ordinary form is left to others.

RFC 8259, read strictly: a line that is not valid JSON in whole is never taken. Of a name that occurs twice the last value counts.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from threadmill.corpora.reddit.comments import EARLIEST, LATEST, REMOVERS, TOMBSTONES
from threadmill.corpora.reddit.text_kernels import (
    WIDE,
    backslash_marks,
    copy,
    copy_wide,
    first_mark,
    inline_view,
    json_marks,
    kernel,
    load,
    put_text,
    put_view,
    utf8_length,
)

# What a value is.
_MISSING, _NULL, _STRING, _ESCAPED, _INTEGER, _FLOAT, _TRUE, _FALSE, _NESTED = range(9)

_NAMES = (  # by length, but for the last, which is one of _meta
    b"id",
    b"body",
    b"title",
    b"score",
    b"_meta",
    b"author",
    b"link_id",
    b"selftext",
    b"parent_id",
    b"subreddit",
    b"created_utc",
    b"is_submitter",
    b"distinguished",
    b"removal_type",
)
(
    _ID,
    _BODY,
    _TITLE,
    _SCORE,
    _META,
    _AUTHOR,
    _LINK,
    _SELFTEXT,
    _PARENT,
    _SUBREDDIT,
    _CREATED,
    _SUBMITTER,
    _DISTINGUISHED,
    _REMOVER,
) = range(len(_NAMES))
_LONGEST = 13
_FIRST_OF_LENGTH = np.array([sum(len(name) < length for name in _NAMES[:-1]) for length in range(_LONGEST + 2)])
FIELDS = len(_NAMES)
_WORDS = np.array([np.frombuffer(name.ljust(16, b"\0"), np.uint64) for name in _NAMES])
_LENGTHS = np.array([len(name) for name in _NAMES])

# The texts of a row, in the order of `Rows.texts`.
TEXTS = ("id", "parent_id", "parent_kind", "thread_id", "subreddit", "author", "body", "distinguished", "removal", "month")
(OUT_ID, OUT_PARENT, OUT_KIND, OUT_THREAD, OUT_SUBREDDIT, OUT_AUTHOR, OUT_BODY, OUT_DISTINGUISHED, OUT_REMOVAL, OUT_MONTH) = (
    range(len(TEXTS))
)

_COMMENT, _SUBMISSION, _NONE = (np.array(inline_view(text)) for text in (b"comment", b"submission", b"none"))
_TOMBSTONE_TEXTS = np.zeros((len(TOMBSTONES), 128), np.uint8)
for _row, _text in enumerate(TOMBSTONES):
    _TOMBSTONE_TEXTS[_row, : len(_text)] = np.frombuffer(_text.encode(), np.uint8)
_TOMBSTONE_LENGTHS = np.array([len(text.encode()) for text in TOMBSTONES])
_TOMBSTONE_VIEWS = np.array([inline_view(removal.encode()) for removal in TOMBSTONES.values()])
_TOMBSTONE_REFINED = np.array([removal in REMOVERS.values() for removal in TOMBSTONES.values()])
_REMOVER_TEXTS = np.array([np.frombuffer(text.encode().ljust(16, b"\0"), np.uint64) for text in REMOVERS])
_REMOVER_LENGTHS = np.array([len(text) for text in REMOVERS])
_REMOVER_VIEWS = np.array([inline_view(removal.encode()) for removal in REMOVERS.values()])

_SHORTEST_MONTH = 28 * 86400  # seconds
_LONGEST_NUMBER, _LONGEST_EXPONENT = 200, 2  # digits; with more, a number may be over the range of a double
_LONGEST_FRACTION = 6  # digits of a time; with more, the nearest double may be the next whole second
_DEEPEST = 60  # nested values of a line; the bits of a word tell which of them are objects


@kernel
def _blank(data, place):  # type: ignore[no-untyped-def]
    while data[place] == 0x20 or data[place] == 0x09 or data[place] == 0x0D:
        place += 1
    return place


@kernel
def _string_end(data, place):  # type: ignore[no-untyped-def]
    """Where the string's closing quote lies (-1: it is no valid string), and whether it has escapes."""
    escaped = False
    while True:
        if place + WIDE <= len(data):
            plain = first_mark(json_marks(data, place))
            if plain == 64:
                place += WIDE
                continue
            place += plain
        byte = data[place]
        if byte == 0x22:
            return place, escaped
        if byte == 0x5C:
            escaped = True
            length = _escape_length(data, place)
        elif byte < 0x20:
            length = 0
        else:
            length = 1 if byte < 0x80 else utf8_length(data, place)
        if length == 0:
            return -1, escaped
        place += length


@kernel
def _escape_length(data, place):  # type: ignore[no-untyped-def]
    """Bytes of the escape at ``place``; 0 where it is none. A surrogate without its other half is none."""
    letter = data[place + 1]
    if letter != 0x75:
        for allowed in (0x6E, 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x72, 0x74):
            if letter == allowed:
                return 2
        return 0
    unit = _hexadecimal(data, place + 2)
    if unit < 0 or 0xDC00 <= unit < 0xE000:
        return 0
    if unit < 0xD800 or unit >= 0xE000:
        return 6
    if data[place + 6] != 0x5C or data[place + 7] != 0x75:
        return 0
    low = _hexadecimal(data, place + 8)
    return 12 if 0xDC00 <= low < 0xE000 else 0


@kernel
def _hexadecimal(data, place):  # type: ignore[no-untyped-def]
    """The number of four digits; -1 where there are not four. Stops at the first other byte, so it never passes a line's end."""
    number: Any = 0
    for index in range(place, place + 4):
        byte: Any = np.int64(data[index])
        if 0x30 <= byte <= 0x39:
            digit = byte - 0x30
        elif 0x61 <= byte | 0x20 <= 0x66:
            digit = (byte | 0x20) - 0x57
        else:
            return -1
        number = number * 16 + digit
    return number


@kernel
def _digits_end(data, place):  # type: ignore[no-untyped-def]
    while 0x30 <= data[place] <= 0x39:
        place += 1
    return place


@kernel
def _number_end(data, place):  # type: ignore[no-untyped-def]
    """Where the number ends (-1: it is none, or perhaps too large), and what it is."""
    start = place
    if data[place] == 0x2D:
        place += 1
    end = _digits_end(data, place)
    if end == place or (data[place] == 0x30 and end > place + 1):
        return -1, _INTEGER
    kind = _INTEGER
    if data[end] == 0x2E:
        place, kind = end + 1, _FLOAT
        end = _digits_end(data, place)
        if end == place:
            return -1, kind
    if data[end] | 0x20 == 0x65:
        place, kind = end + 1, _FLOAT
        if data[place] == 0x2B or data[place] == 0x2D:
            place += 1
        end = _digits_end(data, place)
        if end == place or end > place + _LONGEST_EXPONENT:
            return -1, kind
    return (end if end <= start + _LONGEST_NUMBER else -1), kind


@kernel
def _literal_end(data, place):  # type: ignore[no-untyped-def]
    """Where ``true``, ``false`` or ``null`` ends (-1: it is none of them), and what it is."""
    word = load(data, place)
    four = word & np.uint64(0xFFFFFFFF)
    if four == np.uint64(0x6C6C756E):
        return place + 4, _NULL
    if four == np.uint64(0x65757274):
        return place + 4, _TRUE
    if word & np.uint64(0xFFFFFFFFFF) == np.uint64(0x65736C6166):
        return place + 5, _FALSE
    return -1, _NULL


@kernel
def _field(data, start, end):  # type: ignore[no-untyped-def]
    """Which of the fields of interest a name is; -1 for none."""
    length = end - start
    if length <= _LONGEST:
        for field in range(_FIRST_OF_LENGTH[length], _FIRST_OF_LENGTH[length + 1]):
            if _begins(data, start, length, _WORDS[field, 0], _WORDS[field, 1]):
                return field
    return -1


@kernel
def _is_name(data, start, length, field):  # type: ignore[no-untyped-def]
    return length == _LENGTHS[field] and _begins(data, start, length, _WORDS[field, 0], _WORDS[field, 1])


@kernel
def _begins(data, start, length, low, high):  # type: ignore[no-untyped-def]
    """Whether the ``length`` bytes from ``start`` on are those of two words (uint64), at most 16."""
    first = load(data, start)
    if length < 8:
        return first & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)) == low
    if first != low:
        return False
    if length == 8:
        return True
    rest = load(data, start + 8)
    if length < 16:
        rest &= (np.uint64(1) << np.uint64(8 * (length - 8))) - np.uint64(1)
    return rest == high


@kernel
def _scan(data, place, spans, names, known):  # type: ignore[no-untyped-def]  # noqa: C901
    """Reads the object that begins at ``place`` into ``spans`` (int64[fields, 3]: start, end, kind).

    Lines of a dump have the same names in the same order, nearly always: ``names`` (int64[n, 3], ``known`` of which are set)
    tells of each name of the object where it was read last, with all that lies between the values, how many bytes that is, and
    which field it is. Where the same bytes come again they need no second look.

    Returns where its line ends, or -1 where it is not one valid object, and how many names are known now.
    """
    for number in range(FIELDS):
        spans[number, 2] = _MISSING
    before, place = place, _blank(data, place)
    if data[place] != 0x7B:
        return -1, known
    place += 1
    depth, objects = 1, np.uint64(1)  # the lowest bit tells whether the innermost open value is an object
    in_meta = False
    name, value, opened = True, False, True  # what may come: a name, a value; opened: or at once the end of the value
    field, index = -1, 0
    while True:
        if depth == 1 and not value and index < known and _is_same(data, names[index, 0], before, names[index, 1]):
            place, field = before + names[index, 1], names[index, 2]
            name, value, opened = False, True, False
            index += 1
        byte = data[place]
        if byte <= 0x20:
            place = _blank(data, place)
            byte = data[place]
        if name and byte == 0x22:
            start = place + 1
            end, escaped = _string_end(data, start)
            if end < 0 or escaped:
                return -1, known
            place = _blank(data, end + 1)
            if data[place] != 0x3A:
                return -1, known
            place = _blank(data, place + 1)
            field = -1
            if depth == 1:
                field = _field(data, start, end)
                if index < len(names):
                    names[index, 0], names[index, 1], names[index, 2] = before, place - before, field
                    index += 1
                    known = index
            elif in_meta and depth == 2 and _is_name(data, start, end - start, _REMOVER):
                field = _REMOVER
            name, value, opened = False, True, False
        elif value and byte != 0x5D:
            start, end = place, place + 1
            if byte == 0x22:
                start = place + 1
                place, escaped = _string_end(data, start)
                if place < 0:
                    return -1, known
                end, kind = place, _ESCAPED if escaped else _STRING
                place += 1
            elif byte == 0x7B or byte == 0x5B:
                if depth == _DEEPEST:
                    return -1, known
                kind = _NESTED
                if field == _META:
                    in_meta = byte == 0x7B
                depth += 1
                objects = objects << np.uint64(1) | np.uint64(byte == 0x7B)
                place += 1
            else:
                if byte == 0x2D or 0x30 <= byte <= 0x39:
                    place, kind = _number_end(data, place)
                else:
                    place, kind = _literal_end(data, place)
                if place < 0:
                    return -1, known
                end = place
            if field >= 0:
                spans[field, 0], spans[field, 1], spans[field, 2] = start, end, kind
                if field == _META:
                    spans[_REMOVER, 2] = _MISSING
                field = -1
            before = place
            name, value, opened = False, False, False
            if kind == _NESTED:
                name, value, opened = byte == 0x7B, byte != 0x7B, True
        elif byte == 0x2C and not name and not value:
            name = objects & np.uint64(1) == 1
            value = not name
            place += 1
        elif (byte == 0x7D or byte == 0x5D) and (opened or not (name or value)):
            if (byte == 0x7D) != (objects & np.uint64(1) == 1):
                return -1, known
            depth -= 1
            objects >>= np.uint64(1)
            place += 1
            if depth == 0:
                place = _blank(data, place)
                return (place if data[place] == 0x0A else -1), known
            in_meta = in_meta and depth > 1
            before = place
            name, value, opened = False, False, False
        else:
            return -1, known


@kernel
def _is_same(data, first, second, length):  # type: ignore[no-untyped-def]
    """Whether as many bytes are the same at two places."""
    while length > 8:
        if load(data, first) != load(data, second):
            return False
        first, second, length = first + 8, second + 8, length - 8
    different = load(data, first) ^ load(data, second)
    return different << np.uint64(64 - 8 * length) == 0


@kernel
def _is_id(data, start, end):  # type: ignore[no-untyped-def]
    if not 1 <= end - start <= 13:
        return False
    for place in range(start, end):
        byte = data[place]
        if not (0x61 <= byte <= 0x7A or 0x30 <= byte <= 0x39):
            return False
    return True


@kernel
def _has_prefix(data, start, end):  # type: ignore[no-untyped-def]
    return end - start > 3 and data[start] == 0x74 and data[start + 2] == 0x5F and 0x30 <= data[start + 1] <= 0x39


@kernel
def _whole_number(data, start, end):  # type: ignore[no-untyped-def]
    """The number of up to 18 digits with or without a minus before them, and whether it is one."""
    negative = start < end and data[start] == 0x2D
    if negative:
        start += 1
    if not 1 <= end - start <= 18:
        return 0, False
    number: Any = 0
    for place in range(start, end):
        digit: Any = np.int64(data[place]) - 0x30
        if not 0 <= digit <= 9:
            return 0, False
        number = number * 10 + digit
    return -number if negative else number, True


@kernel
def _seconds(data, spans, field):  # type: ignore[no-untyped-def]
    """The whole seconds of a time as number or string, and whether it is in the ordinary form."""
    start, end, kind = spans[field, 0], spans[field, 1], spans[field, 2]
    if kind == _FLOAT:
        point = _digits_end(data, start)
        if data[point] != 0x2E or _digits_end(data, point + 1) != end or end > point + 1 + _LONGEST_FRACTION:
            return 0, False  # an exponent, or a minus, or too exact
        end = point
    elif kind != _INTEGER and kind != _STRING:
        return 0, False
    number, good = _whole_number(data, start, end)
    return number, good and EARLIEST <= number < LATEST


@kernel
def _is_text(kind):  # type: ignore[no-untyped-def]
    return kind in (_STRING, _ESCAPED)


@kernel
def _is_absent(kind):  # type: ignore[no-untyped-def]
    return kind in (_MISSING, _NULL)


@kernel
def _is_ordinary(data, spans):  # type: ignore[no-untyped-def]
    """Whether a comment or a submission is in the form in which dumps have nearly all of them."""
    for field in (_SUBREDDIT, _AUTHOR, _DISTINGUISHED):
        if not (_is_text(spans[field, 2]) or _is_absent(spans[field, 2])):
            return False
    if spans[_ID, 2] != _STRING or not _is_id(data, spans[_ID, 0], spans[_ID, 1]):
        return False
    if spans[_SUBMITTER, 2] > _NULL and spans[_SUBMITTER, 2] != _TRUE and spans[_SUBMITTER, 2] != _FALSE:
        return False
    if (spans[_SCORE, 2] > _NULL and spans[_SCORE, 2] != _INTEGER) or spans[_REMOVER, 2] == _ESCAPED:
        return False
    if _is_text(spans[_BODY, 2]):
        return _has_ordinary_parents(data, spans)
    if not _is_absent(spans[_BODY, 2]) or not _is_text(spans[_TITLE, 2]):
        return False
    return _is_text(spans[_SELFTEXT, 2]) or _is_absent(spans[_SELFTEXT, 2])


@kernel
def _has_ordinary_parents(data, spans):  # type: ignore[no-untyped-def]
    start, end = spans[_LINK, 0], spans[_LINK, 1]
    if spans[_LINK, 2] != _STRING or not _is_id(data, start + 3 if _has_prefix(data, start, end) else start, end):
        return False
    if _is_absent(spans[_PARENT, 2]):
        return True
    start, end = spans[_PARENT, 0], spans[_PARENT, 1]
    return spans[_PARENT, 2] == _STRING and _has_prefix(data, start, end) and _is_id(data, start + 3, end)


@kernel
def _unescape(data, start, end, arena, used):  # type: ignore[no-untyped-def]
    """Writes the text of a string with escapes; returns the place after it."""
    place = start
    while place < end:
        if place + WIDE <= len(data):
            copy_wide(data, place, arena, used)
            plain = min(WIDE, end - place, first_mark(backslash_marks(data, place)))
            place, used = place + plain, used + plain
            if place == end or plain == WIDE:
                continue
        if data[place] != 0x5C:
            arena[used] = data[place]
            place, used = place + 1, used + 1
            continue
        letter = data[place + 1]
        place += 2
        if letter != 0x75:
            arena[used] = _escaped_byte(letter)
            used += 1
            continue
        code = _hexadecimal(data, place)
        place += 4
        if 0xD800 <= code < 0xDC00:
            code = 0x10000 + ((code - 0xD800) << 10) + _hexadecimal(data, place + 2) - 0xDC00
            place += 6
        used = _put_character(arena, used, code)
    return used


@kernel
def _escaped_byte(letter):  # type: ignore[no-untyped-def]
    if letter == 0x6E:
        return np.uint8(0x0A)
    if letter == 0x74:
        return np.uint8(0x09)
    if letter == 0x72:
        return np.uint8(0x0D)
    if letter == 0x62:
        return np.uint8(0x08)
    return np.uint8(0x0C) if letter == 0x66 else letter


@kernel
def _put_character(arena, used, code):  # type: ignore[no-untyped-def]
    if code < 0x80:
        arena[used] = code
        return used + 1
    if code < 0x800:
        arena[used], arena[used + 1] = 0xC0 | code >> 6, 0x80 | code & 0x3F
        return used + 2
    if code < 0x10000:
        arena[used], arena[used + 1], arena[used + 2] = 0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
        return used + 3
    arena[used], arena[used + 1] = 0xF0 | code >> 18, 0x80 | code >> 12 & 0x3F
    arena[used + 2], arena[used + 3] = 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F
    return used + 4


@kernel
def _write(data, spans, field, arena, used):  # type: ignore[no-untyped-def]
    """Writes a string's text into ``arena``; returns the place after it."""
    if spans[field, 2] == _ESCAPED:
        return _unescape(data, spans[field, 0], spans[field, 1], arena, used)
    return copy(data, spans[field, 0], spans[field, 1], arena, used)


@kernel
def _put_string(views, column, row, data, spans, field, arena, used):  # type: ignore[no-untyped-def]
    start, end = spans[field, 0], spans[field, 1]
    if spans[field, 2] != _ESCAPED:
        return put_text(views, column, row, data, start, end, arena, used)
    end = _unescape(data, start, end, arena, used)
    put_view(views, column, row, arena, used, end - used, used)
    return end


@kernel
def _tombstone(text, start, end):  # type: ignore[no-untyped-def]
    """Which of the tombstones a text is; -1 for none."""
    length = end - start
    if length == 0 or text[start] != 0x5B:
        return -1
    for index in range(len(_TOMBSTONE_LENGTHS)):
        if length == _TOMBSTONE_LENGTHS[index]:
            same = True
            for place in range(length):
                if text[start + place] != _TOMBSTONE_TEXTS[index, place]:
                    same = False
                    break
            if same:
                return index
    return -1


@kernel
def _put_removal(texts, valid, row, data, spans, tombstone):  # type: ignore[no-untyped-def]
    valid[OUT_REMOVAL, row] = tombstone >= 0
    if tombstone < 0:
        texts[OUT_REMOVAL, row, 0] = texts[OUT_REMOVAL, row, 1] = np.uint64(0)
        return
    first, second = _TOMBSTONE_VIEWS[tombstone, 0], _TOMBSTONE_VIEWS[tombstone, 1]
    start, length = spans[_REMOVER, 0], spans[_REMOVER, 1] - spans[_REMOVER, 0]
    if _TOMBSTONE_REFINED[tombstone] and spans[_REMOVER, 2] == _STRING:
        for index in range(len(_REMOVER_LENGTHS)):
            if length == _REMOVER_LENGTHS[index] and _begins(
                data, start, length, _REMOVER_TEXTS[index, 0], _REMOVER_TEXTS[index, 1]
            ):
                first, second = _REMOVER_VIEWS[index, 0], _REMOVER_VIEWS[index, 1]
    texts[OUT_REMOVAL, row, 0], texts[OUT_REMOVAL, row, 1] = first, second


@kernel
def _write_submission(data, spans, arena, used):  # type: ignore[no-untyped-def]
    """Writes title and self-text; returns the place after them, and which tombstone the title is."""
    end = _write(data, spans, _TITLE, arena, used)
    tombstone = _tombstone(arena, used, end)
    for place in range(used, end):
        if arena[place] == 0x0A or arena[place] == 0x0D:
            arena[place] = 0x20
    if tombstone >= 0 or not _is_text(spans[_SELFTEXT, 2]):
        return end, tombstone
    start = end + 2
    last = _write(data, spans, _SELFTEXT, arena, start)
    if last == start or _tombstone(arena, start, last) >= 0:
        return end, tombstone
    arena[end] = arena[end + 1] = 0x0A
    return last, tombstone


@kernel
def _month_of(seconds):  # type: ignore[no-untyped-def]
    """When the month of a time begins (UTC), and the view of its name.

    Hinnant, chrono-compatible low-level date algorithms, civil_from_days.
    """
    days = seconds // 86400
    shifted = days + 719468
    era = shifted // 146097
    day_of_era = shifted - era * 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * from_march + 2) // 5
    month = from_march + 3 if from_march < 10 else from_march - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    word, divisor = np.uint64(7), 1000
    for index in range(4):
        word |= np.uint64(0x30 + year // divisor % 10) << np.uint64(32 + 8 * index)
        divisor //= 10
    rest = np.uint64(0x2D | (0x30 + month // 10) << 8 | (0x30 + month % 10) << 16)
    return (days - day) * 86400, (word, rest)


@kernel
def read_lines(
    data: npt.NDArray[np.uint8],
    month: tuple[int, int],
    texts: npt.NDArray[np.uint64],
    valid: npt.NDArray[np.bool_],
    values: npt.NDArray[np.int64],
    arena: npt.NDArray[np.uint8],
    bodies: npt.NDArray[np.uint8],
    others: npt.NDArray[np.int64],
    spans: npt.NDArray[np.int64],
    names: npt.NDArray[np.int64],
) -> Any:
    """Reads the lines of ``data`` (uint8, ended by a newline); returns how many rows were made, and how many lines left.

    Args:
        month: seconds of its beginning and end; lines of other times are left.
        texts: uint64[TEXTS, lines, 2], the views of the rows' texts: those of bodies into ``bodies``, all others into ``arena``.
        valid: bool[TEXTS + 2, lines], False for null; the last two are those of score and of is_submitter.
        values: int64[4, lines]: score, microseconds since 1970, is_submitter, the line's number from 0.
        arena, bodies: uint8, each ``WIDE`` longer than ``data``.
        others: int64[lines, 3], for each line that is left: its number from 0, where it begins, where its newline is.
        spans, names: int64[FIELDS, 3] and int64[n, 3], room to work in.
    """
    month_begin, month_view = _month_of(EARLIEST)
    known = used = filled = row = left = line = place = 0
    while place < len(data):
        end, known = _scan(data, place, spans, names, known)
        seconds, good = 0, False
        if end >= 0:
            seconds, good = _seconds(data, spans, _CREATED)
            good = good and month[0] <= seconds < month[1] and _is_ordinary(data, spans)
            score, whole = 0, True
            if spans[_SCORE, 2] == _INTEGER:
                score, whole = _whole_number(data, spans[_SCORE, 0], spans[_SCORE, 1])
            good = good and whole
        else:
            end = place
            while data[end] != 0x0A:
                end += 1
        if good:
            used, filled = _put_row(data, spans, row, texts, valid, arena, used, bodies, filled)
            values[0, row] = score
            values[1, row] = seconds * 1_000_000
            values[2, row] = spans[_SUBMITTER, 2] == _TRUE
            values[3, row] = line
            valid[len(TEXTS), row] = spans[_SCORE, 2] == _INTEGER
            valid[len(TEXTS) + 1, row] = spans[_SUBMITTER, 2] > _NULL
            if not month_begin <= seconds < month_begin + _SHORTEST_MONTH:
                month_begin, month_view = _month_of(seconds)
            texts[OUT_MONTH, row, 0], texts[OUT_MONTH, row, 1] = month_view
            row += 1
        else:
            others[left, 0], others[left, 1], others[left, 2] = line, place, end
            left += 1
        place = end + 1
        line += 1
    return row, left, used, filled


@kernel
def _put_row(data, spans, row, texts, valid, arena, used, bodies, filled):  # type: ignore[no-untyped-def]
    """Writes a row's texts; returns how much of ``arena`` and of ``bodies`` is used then."""
    used = _put_string(texts, OUT_ID, row, data, spans, _ID, arena, used)
    if _is_text(spans[_BODY, 2]):
        used = _put_parents(data, spans, row, texts, valid, arena, used)
        end = _write(data, spans, _BODY, bodies, filled)
        tombstone = _tombstone(bodies, filled, end)
    else:
        used = _put_string(texts, OUT_THREAD, row, data, spans, _ID, arena, used)
        _put_null(texts, valid, OUT_PARENT, row)
        texts[OUT_KIND, row, 0], texts[OUT_KIND, row, 1] = _NONE[0], _NONE[1]
        end, tombstone = _write_submission(data, spans, bodies, filled)
    put_view(texts, OUT_BODY, row, bodies, filled, end - filled, filled)
    _put_removal(texts, valid, row, data, spans, tombstone)
    used = _put_optional(texts, valid, OUT_SUBREDDIT, row, data, spans, _SUBREDDIT, arena, used)
    used = _put_optional(texts, valid, OUT_AUTHOR, row, data, spans, _AUTHOR, arena, used)
    return _put_optional(texts, valid, OUT_DISTINGUISHED, row, data, spans, _DISTINGUISHED, arena, used), end


@kernel
def _put_parents(data, spans, row, texts, valid, arena, used):  # type: ignore[no-untyped-def]
    """A comment's thread and parent; a comment without a parent answers to the submission."""
    start, end = spans[_LINK, 0], spans[_LINK, 1]
    start += 3 if _has_prefix(data, start, end) else 0
    used = put_text(texts, OUT_THREAD, row, data, start, end, arena, used)
    texts[OUT_KIND, row, 0], texts[OUT_KIND, row, 1] = _SUBMISSION[0], _SUBMISSION[1]
    if spans[_PARENT, 2] == _STRING:
        start, end = spans[_PARENT, 0] + 3, spans[_PARENT, 1]
        if data[start - 2] == 0x31:
            texts[OUT_KIND, row, 0], texts[OUT_KIND, row, 1] = _COMMENT[0], _COMMENT[1]
    valid[OUT_PARENT, row] = True
    return put_text(texts, OUT_PARENT, row, data, start, end, arena, used)


@kernel
def _put_null(texts, valid, column, row):  # type: ignore[no-untyped-def]
    texts[column, row, 0] = texts[column, row, 1] = np.uint64(0)
    valid[column, row] = False


@kernel
def _put_optional(texts, valid, column, row, data, spans, field, arena, used):  # type: ignore[no-untyped-def]
    if not _is_text(spans[field, 2]):
        _put_null(texts, valid, column, row)
        return used
    valid[column, row] = True
    return _put_string(texts, column, row, data, spans, field, arena, used)
