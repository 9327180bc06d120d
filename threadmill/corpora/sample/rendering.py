# mypy: disable-error-code="no-untyped-def,no-untyped-call,call-arg"
"""Compiled loops that write comments as JSON lines: pieces, numbers and, from templates, what people say."""

import numpy as np

from threadmill.corpora.sample.activity_kernels import ACT, ID, PARENT_A, TOPIC
from threadmill.corpora.sample.compiling import copy_bytes, kernel
from threadmill.corpora.sample.language import (
    ARTICLE,
    ASIDE,
    CAPITAL,
    CLASS,
    CLOSING,
    END,
    LITERAL,
    MORE,
    OPENER,
    QUOTE,
    RANGE,
    REFERENCE,
    SAY,
    SHORT,
    STEPS,
    TOPIC_CLASSES,
    USER,
)
from threadmill.randomness import below, combine

# Operations of a line's layout: (kind, argument). The argument is a piece, the row of a column, or how many operations
# to leave out where the column is zero (its row in the third place), or a section of the grammar, one of whose templates is said.
L_PIECE, L_COLUMN_PIECE, L_DECIMAL, L_BASE36, L_BODY, L_SECTION, L_UNLESS, L_END = range(8)

# Values of a decimal column that stand for something else.
NULL = -(1 << 62)
FALSE = NULL + 1

ROW_LIMIT = 1 << 16  # no line is longer, in bytes

_BRIEF = 32  # characters; comments that aim at fewer are short remarks
_MARGIN = 25  # characters under its aim at which a comment is long enough
_ASIDE_AFTER = 150  # characters; longer comments wander off now and then
_PERCENT_QUOTE, _PERCENT_OPENER, _PERCENT_CLOSING = 5, 8, 7
_FOLLOWED = 60  # characters; comments that aim at more can have an opener and a closing

_TOPIC_CLASS_COUNT = len(TOPIC_CLASSES)
_ZERO, _A_BEFORE_10, _MINUS = np.uint8(48), np.uint8(87), np.uint8(45)
_SPACE = np.uint8(32)
_PARAGRAPH = np.frombuffer(rb"\n\n", np.uint8)
_NULL = np.frombuffer(b"null", np.uint8)
_FALSE = np.frombuffer(b"false", np.uint8)


@kernel
def render(layout, layout_start, order, values, references, comments, pieces, grammar, accounts, key, stream, out):
    """Writes the lines of a block of comments into ``out``.

    Args:
        layout: int64[ops, 3], line layouts as (kind, argument, column), each ended by L_END.
        layout_start: int64[layouts], where each begins.
        order: int64[n], the layout of each line.
        values: int64[columns, n], what the layouts' columns hold.
        references: int64[REFERENCES, n], pieces that templates refer to.
        comments: int64[COLUMNS, n], the comments (activity_kernels).
        pieces: the table of pieces (pieces.Pieces).
        grammar: the templates (language.Grammar).
        accounts: int64[2], first and number of the pieces that are people's account names.
        key: uint64, key of the random streams of the bodies.
        stream: uint64[1], to be overwritten: the state of the stream in use.
        out: uint8[n], to be overwritten.

    Returns:
        The bytes written, or -1 if ``out`` is too small.
    """
    at = np.int64(0)  # a plain 0 would have the callees compiled twice
    for row in range(comments.shape[1]):
        if at + ROW_LIMIT > len(out):
            return -1
        op = layout_start[order[row]]
        stream[0] = combine(key, comments[ID, row])
        while layout[op, 0] != L_END:
            kind, argument = layout[op, 0], layout[op, 1]
            if kind == L_UNLESS:
                op += argument if values[layout[op, 2], row] == 0 else 0
            elif kind == L_BODY:
                at = _body(out, at, references, comments, row, pieces, grammar, accounts, stream)
            elif kind == L_SECTION:
                at = _say(out, at, argument, comments[TOPIC, row], references, row, pieces, grammar, accounts, stream)
            else:
                at = _value(out, at, kind, argument, values, row, pieces)
            op += 1
    return at


@kernel
def _value(out, at, kind, argument, values, row, pieces):
    if kind == L_PIECE:
        return _piece(out, at, pieces, argument)
    if kind == L_COLUMN_PIECE:
        return _piece(out, at, pieces, values[argument, row])
    if kind == L_DECIMAL:
        return _decimal(out, at, values[argument, row])
    return _base36(out, at, values[argument, row])


@kernel
def _body(out, at, references, comments, row, pieces, grammar, accounts, stream):
    """Writes what a comment says, one section after the other."""
    act, begin = comments[ACT, row], at
    wanted = grammar.lengths[below(stream, len(grammar.lengths))]
    step = _first_step(wanted, comments[PARENT_A, row], grammar, act, stream)
    sentences = 0
    while step != STEPS:
        if step >= MORE:
            at, sentences = _part(out, at, sentences, stream)
        at = _say(out, at, grammar.steps[act, step], comments[TOPIC, row], references, row, pieces, grammar, accounts, stream)
        step = _next_step(step, wanted, at - begin, grammar, act, stream)
    return at


@kernel
def _first_step(wanted, answered, grammar, act, stream):
    if wanted < _BRIEF and grammar.steps[act, SHORT] >= 0:
        return SHORT
    if answered >= 0 and below(stream, 100) < _PERCENT_QUOTE:
        return QUOTE
    return OPENER if wanted > _FOLLOWED and below(stream, 100) < _PERCENT_OPENER else SAY


@kernel
def _next_step(step, wanted, length, grammar, act, stream):
    if step in (SHORT, CLOSING):
        return STEPS
    if step < SAY:
        return SAY
    if grammar.steps[act, MORE] < 0:
        return STEPS
    if length < wanted - _MARGIN:
        return ASIDE if length > _ASIDE_AFTER and below(stream, 3) == 0 else MORE
    return CLOSING if wanted > _FOLLOWED and below(stream, 100) < _PERCENT_CLOSING else STEPS


@kernel
def _part(out, at, sentences, stream):
    """A space, or a new paragraph after three sentences or more."""
    if sentences >= 3 and below(stream, 3) == 0:
        return _copy(out, at, _PARAGRAPH), 1
    out[at] = _SPACE
    return at + 1, sentences + 1


@kernel
def _say(out, at, section, topic, references, row, pieces, grammar, accounts, stream):
    """Writes one of the section's templates, the first ones more often."""
    op = grammar.templates[grammar.sections[section, 0] + below(stream, 1 + below(stream, grammar.sections[section, 1]))]
    while grammar.ops[op, 0] != END:
        kind, argument, flags = grammar.ops[op, 0], grammar.ops[op, 1], grammar.ops[op, 2]
        op += 1
        if kind == LITERAL:
            at = _piece(out, at, pieces, argument)
        elif kind == REFERENCE:
            at = _word(out, at, pieces, references[argument, row], flags)
        elif kind == CLASS:
            thing = references[0, row] - grammar.classes[topic, 0, 0]
            at = _word(out, at, pieces, _member(grammar, topic, argument, thing, stream), flags)
        else:
            at = _made_up(out, at, kind, argument, flags, pieces, accounts, stream)
    return at


@kernel
def _member(grammar, topic, word_class, thing, stream):
    """A piece of a word class: of a topic's one of the four that go with the thing, else any, the first ones more often."""
    start, count = grammar.classes[topic, word_class, 0], grammar.classes[topic, word_class, 1]
    if word_class < _TOPIC_CLASS_COUNT:
        return start + (3 * thing + below(stream, 4)) % count
    return start + below(stream, 1 + below(stream, count))


@kernel
def _made_up(out, at, kind, low, high, pieces, accounts, stream):
    if kind == RANGE:
        return _decimal(out, at, low + below(stream, high - low + 1))
    if kind == USER:
        return _piece(out, at, pieces, accounts[0] + below(stream, accounts[1]))
    for _ in range(6):
        at = _base36(out, at, below(stream, 36))
    return at


@kernel
def _word(out, at, pieces, piece, flags):
    begin = at
    if flags & ARTICLE:
        out[at] = np.uint8(97)
        out[at + 1] = np.uint8(110)
        at += 2 if pieces.takes_an[piece] else 1
        out[at] = _SPACE
        at += 1
    at = _piece(out, at, pieces, piece)
    if flags & CAPITAL and 97 <= out[begin] <= 122:
        out[begin] -= np.uint8(32)
    return at


@kernel
def _piece(out, at, pieces, piece):
    start, length = pieces.span[piece, 0], pieces.span[piece, 1]
    copy_bytes(out, at, pieces.pool, start, length)
    return at + length


@kernel
def _copy(out, at, text):
    copy_bytes(out, at, text, 0, len(text))
    return at + len(text)


@kernel
def _decimal(out, at, value):
    if value == NULL:
        return _copy(out, at, _NULL)
    if value == FALSE:
        return _copy(out, at, _FALSE)
    if value < 0:
        out[at] = _MINUS
        at, value = at + 1, -value
    return _decimal_digits(out, at, np.uint64(value))


@kernel
def _base36(out, at, value):
    return _base36_digits(out, at, np.uint64(value))


def _digit_writer(base):
    """A compiled function that writes a uint64 in ``base``; the divisor is a constant in it, which makes it fast."""
    divisor = np.uint64(base)

    @kernel
    def write(out, at, value):
        rest, end = value // divisor, at + 1
        while rest > 0:
            rest, end = rest // divisor, end + 1
        for place in range(end - 1, at - 1, -1):
            rest = value // divisor
            digit = np.uint8(value - rest * divisor)
            out[place] = digit + (_ZERO if digit < 10 else _A_BEFORE_10)
            value = rest
        return end

    return write


_decimal_digits = _digit_writer(10)
_base36_digits = _digit_writer(36)
