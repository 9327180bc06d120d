# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled loops of the sample world's activity: open threads in a queue by the time of their next comment."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample.compiling import kernel
from threadmill.corpora.sample.language import TOPIC_CLASSES
from threadmill.randomness import below

Ints = npt.NDArray[np.int64]

# Columns of a comment. PARENT is an id, or -1 at the top level; AUTHOR -1 is a deleted account; pieces are word numbers.
(ID, UTC, PARENT, LINK, AUTHOR, SUBMITTER, SUBREDDIT, TOPIC, ACT, A, B, X, THING, PARENT_A, PARENT_X, REMOVAL, DEPTH) = range(17)
COLUMNS = 17

THING_CLASS, GOOD_CLASS, BAD_CLASS = (TOPIC_CLASSES.index(name) for name in ("thing", "good", "bad"))

# Rows of Society.quantiles.
SIZE, SPAN, LAG, PLACE = range(4)

# REMOVAL: why a comment has no body.
KEPT, DELETED, REMOVED = range(3)

# Columns of an open thread; its last comments are kept in a ring, for answers.
(_T_LINK, _T_BIRTH, _T_SPAN, _T_QUOTA, _T_DONE, _T_CHAIN, _T_SUBREDDIT, _T_TOPIC, _T_THING, _T_SUBMITTER) = range(10)
(_R_ID, _R_AUTHOR, _R_ANSWERED, _R_ACT, _R_A, _R_B, _R_X, _R_DEPTH) = range(8)
_RING = 16

# Numbers in State.counts.
_WAITING, _FREE = range(2)

FIRST_MODERATOR = 16  # account numbers: bots, then a moderator for each subreddit, then everybody
ODDS = 1 << 20
LINK_OFFSET = 200_000_000  # a thread's id is this much less than the id of its first comment

_CHAIN_SPAN = 7 * 86400  # seconds that the special threads of a month go on
# In a thousand, as in real dumps where known: comments at the top level beside the first of a thread, removed by their author or
# by others, of bots; threads that AutoModerator opens.
_TOP_LEVEL, _DELETED, _REMOVED, _DELETED_ACCOUNT, _BOT, _AUTOMODERATOR, _MOD_NOTE = 300, 55, 13, 20, 6, 80, 2


class Society(NamedTuple):
    """What the world's activity depends on.

    Attributes:
        quantiles: int64[4, n], of SIZE, comments a thread; SPAN, seconds between a thread's first comment and its last; LAG,
            how many comments an answer goes back; PLACE, subreddits, as often as they get a thread.
        subreddit_topic: int64[subreddits], or -1 for any.
        classes: int64[topics, classes, 2], the first piece of each word class, and how many there are.
        choices, traits, automoderator, mod_note: as in language.Acts.
        accounts: how many people there are.
    """

    quantiles: Ints
    subreddit_topic: Ints
    classes: Ints
    choices: Ints
    traits: Ints
    automoderator: int
    mod_note: int
    accounts: int


class State(NamedTuple):
    """Open threads: their columns, their last comments, the queue of (due, link, slot), and free slots."""

    threads: Ints
    recent: Ints
    queue: Ints
    free: Ints
    counts: Ints


def new_state(slots: int) -> State:
    """No thread is open."""
    return State(
        threads=np.zeros((slots, 10), np.int64),
        recent=np.zeros((slots, _RING, 8), np.int64),
        queue=np.zeros((slots, 3), np.int64),
        free=np.arange(slots, dtype=np.int64),
        counts=np.array([0, slots], np.int64),
    )


def with_room(state: State, births: int) -> State:
    """The state with at least ``births`` free slots."""
    missing = births - int(state.counts[_FREE])
    if missing <= 0:
        return state
    slots = len(state.threads)
    larger = new_state(slots + max(missing, slots // 2))
    for old, new in zip(state[:3], larger[:3], strict=True):
        new[:slots] = old
    free = np.concatenate([state.free[: state.counts[_FREE]], np.arange(slots, len(larger.threads))])
    larger.free[: len(free)] = free
    larger.counts[:] = (state.counts[_WAITING], len(free))
    return larger


@kernel
def advance(state, society, stream, odds, special, first, out):
    """Fills ``out``, whose rows ID and UTC are given, with the next comments of the world.

    ``odds`` are the chances, in ODDS, that a comment opens a thread while others are overdue, and while none is.
    """
    for row in range(out.shape[1]):
        slot = _special(state, society, stream, special, first + row, out, row)
        if slot < 0:
            slot = _next_thread(state, society, stream, odds, out, row)
        _comment(state, society, stream, slot, out, row)
        _settle(state, slot)


@kernel
def _special(state, society, stream, special, place, out, row):
    for index in range(len(special)):
        if special[index, 0] == place:
            return _open(state, society, stream, special[index, 1], np.int64(_CHAIN_SPAN), special[index, 2], out, row)
    return -1


@kernel
def _next_thread(state, society, stream, odds, out, row):
    waiting = state.counts[_WAITING]
    overdue = waiting > 0 and state.queue[0, 0] <= out[UTC, row]
    if waiting == 0 or below(stream, ODDS) < odds[0 if overdue else 1]:
        size = _quantile(society, stream, SIZE)
        span = _quantile(society, stream, SPAN)
        return _open(state, society, stream, size, span, np.int64(0), out, row)
    slot = state.queue[0, 2]
    _pop(state)
    return slot


@kernel
def _open(state, society, stream, size, span, chain, out, row):
    state.counts[_FREE] -= 1
    slot = state.free[state.counts[_FREE]]
    subreddit = _quantile(society, stream, PLACE)
    topic = society.subreddit_topic[subreddit]
    if topic < 0:
        topic = _skewed(stream, len(society.classes))
    thread = state.threads[slot]
    thread[_T_LINK] = out[ID, row] - LINK_OFFSET
    thread[_T_BIRTH], thread[_T_SPAN], thread[_T_QUOTA] = out[UTC, row], span, size
    thread[_T_DONE], thread[_T_CHAIN] = 0, chain
    thread[_T_SUBREDDIT], thread[_T_TOPIC] = subreddit, topic
    thread[_T_THING] = society.classes[topic, THING_CLASS, 0] + _skewed(stream, society.classes[topic, THING_CLASS, 1])
    thread[_T_SUBMITTER] = _anybody(stream, society)
    return slot


@kernel
def _settle(state, slot):
    """Puts a thread back into the queue, or closes it."""
    thread = state.threads[slot]
    thread[_T_DONE] += 1
    if thread[_T_DONE] >= thread[_T_QUOTA]:
        state.free[state.counts[_FREE]] = slot
        state.counts[_FREE] += 1
        return
    share = thread[_T_DONE] / thread[_T_QUOTA]  # a thread is busiest at its beginning
    _push(state, thread[_T_BIRTH] + np.int64(thread[_T_SPAN] * share * share), thread[_T_LINK], slot)


@kernel
def _comment(state, society, stream, slot, out, row):
    thread, ring = state.threads[slot], state.recent[slot]
    place = _answered(society, stream, thread)
    out[LINK, row], out[SUBREDDIT, row], out[TOPIC, row] = thread[_T_LINK], thread[_T_SUBREDDIT], thread[_T_TOPIC]
    out[SUBMITTER, row], out[THING, row] = thread[_T_SUBMITTER], thread[_T_THING]
    if place < 0:
        out[PARENT, row], out[DEPTH, row] = -1, 0
        out[PARENT_A, row], out[PARENT_X, row] = -1, -1
    else:
        parent = ring[place]
        out[PARENT, row], out[DEPTH, row] = parent[_R_ID], parent[_R_DEPTH] + 1
        out[PARENT_A, row], out[PARENT_X, row] = parent[_R_A], parent[_R_X]
    act = _act(society, stream, thread, ring, place)
    out[ACT, row] = act
    _subject(society, stream, ring, place, act, out, row)
    author = _author(society, stream, thread, ring, place, act)
    removal = _removal(stream)
    out[REMOVAL, row] = removal
    out[AUTHOR, row] = -1 if removal != KEPT or below(stream, 1000) < _DELETED_ACCOUNT else author
    _remember(ring, thread, place, author, out, row)


@kernel
def _remember(ring, thread, place, author, out, row):
    own = ring[thread[_T_DONE] % _RING]
    answered = -1 if place < 0 else ring[place, _R_AUTHOR]  # before it is overwritten: place may be the same
    own[_R_ID], own[_R_AUTHOR], own[_R_ANSWERED] = out[ID, row], author, answered
    own[_R_ACT], own[_R_A], own[_R_B], own[_R_X] = out[ACT, row], out[A, row], out[B, row], out[X, row]
    own[_R_DEPTH] = out[DEPTH, row]


@kernel
def _answered(society, stream, thread):
    """The place in the ring of the comment that is answered; -1: none."""
    done = thread[_T_DONE]
    if done == 0:
        return -1
    if thread[_T_CHAIN]:
        return (done - 1) % _RING
    if below(stream, 1000) < _TOP_LEVEL:
        return -1
    recent = min(done, _RING)
    lag = _quantile(society, stream, LAG)
    if below(stream, 10) < 4 or lag >= recent:
        lag = below(stream, recent)
    return (done - 1 - lag) % _RING


@kernel
def _act(society, stream, thread, ring, place):
    dice = below(stream, 1000)
    if thread[_T_DONE] == 0 and dice < _AUTOMODERATOR and not thread[_T_CHAIN]:
        return society.automoderator
    if dice >= 1000 - _MOD_NOTE:
        return society.mod_note
    if place < 0:
        return _choice(society, stream, len(society.traits))
    if dice < _BOT:
        return _choice(society, stream, len(society.traits) + 1)
    return _choice(society, stream, ring[place, _R_ACT])


@kernel
def _subject(society, stream, ring, place, act, out, row):
    """What the comment is about (A, B) and how it calls it (X)."""
    topic = out[TOPIC, row]
    focus = society.traits[act, 0]
    if place < 0:
        subject = out[THING, row]
        if below(stream, 10) < 4:
            subject = _neighbour(society, stream, topic, subject)
        other = _neighbour(society, stream, topic, subject)
    elif focus == 0:
        subject = ring[place, _R_A]
        other = _neighbour(society, stream, topic, subject)
    elif focus == 3:
        other = ring[place, _R_A]
        subject = _neighbour(society, stream, topic, other)
    else:
        subject, other = ring[place, _R_A if focus == 1 else _R_B], ring[place, _R_B if focus == 1 else _R_A]
    out[A, row], out[B, row] = subject, other
    quality = society.traits[act, 1]
    if quality == 2 and place >= 0:
        out[X, row] = ring[place, _R_X]
    else:
        out[X, row] = _adjective(society, stream, topic, subject, BAD_CLASS if quality == 1 else GOOD_CLASS)


@kernel
def _neighbour(society, stream, topic, thing):
    """One of the four things that are mentioned along with ``thing``."""
    start, count = society.classes[topic, THING_CLASS, 0], society.classes[topic, THING_CLASS, 1]
    return start + (thing - start + 1 + 2 * below(stream, 4)) % count


@kernel
def _adjective(society, stream, topic, thing, quality):
    """One of the four adjectives of a class, good or bad, that go with ``thing``."""
    place = 3 * (thing - society.classes[topic, THING_CLASS, 0]) + below(stream, 4)
    return society.classes[topic, quality, 0] + place % society.classes[topic, quality, 1]


@kernel
def _author(society, stream, thread, ring, place, act):
    bot = society.traits[act, 2]
    if bot >= 0:
        return bot
    if society.traits[act, 3]:
        return FIRST_MODERATOR + thread[_T_SUBREDDIT]
    answered = ring[place, _R_AUTHOR] if place >= 0 else -1
    author = _familiar(society, stream, thread, ring, place)
    if author < 0 or author == answered:
        author = _anybody(stream, society)
    return author


@kernel
def _familiar(society, stream, thread, ring, place):
    """Whoever was answered by the comment answered, or the submitter; -1: somebody else."""
    dice = below(stream, 100)
    if place < 0:
        return thread[_T_SUBMITTER] if dice < 4 else -1
    if dice < 35 and ring[place, _R_ANSWERED] >= FIRST_MODERATOR + len(society.subreddit_topic):
        return ring[place, _R_ANSWERED]
    return thread[_T_SUBMITTER] if dice >= 90 else -1


@kernel
def _anybody(stream, society):
    return FIRST_MODERATOR + len(society.subreddit_topic) + _skewed(stream, society.accounts)


@kernel
def _removal(stream):
    dice = below(stream, 1000)
    if dice < _DELETED:
        return DELETED
    return REMOVED if dice < _DELETED + _REMOVED else KEPT


@kernel
def _quantile(society, stream, what):
    return society.quantiles[what, below(stream, society.quantiles.shape[1])]


@kernel
def _choice(society, stream, row):
    return society.choices[row, below(stream, society.choices.shape[1])]


@kernel
def _skewed(stream, count):
    """An integer in [0, count), small ones more often."""
    return below(stream, 1 + below(stream, count))


@kernel
def _push(state, due, order, slot):
    queue, at = state.queue, state.counts[_WAITING]
    state.counts[_WAITING] += 1
    while at > 0:
        above = (at - 1) // 2
        if not _earlier(due, order, queue[above, 0], queue[above, 1]):
            break
        _move(queue, above, at)
        at = above
    queue[at, 0], queue[at, 1], queue[at, 2] = due, order, slot


@kernel
def _pop(state):
    """Takes the first thread out of the queue (a binary heap)."""
    queue = state.queue
    state.counts[_WAITING] -= 1
    size = state.counts[_WAITING]
    due, order, slot = queue[size, 0], queue[size, 1], queue[size, 2]
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _earlier(queue[child + 1, 0], queue[child + 1, 1], queue[child, 0], queue[child, 1]):
            child += 1
        if not _earlier(queue[child, 0], queue[child, 1], due, order):
            break
        _move(queue, child, at)
        at = child
    queue[at, 0], queue[at, 1], queue[at, 2] = due, order, slot


@kernel
def _move(queue, origin, target):
    for column in range(3):
        queue[target, column] = queue[origin, column]


@kernel
def _earlier(due, order, other_due, other_order):
    return due < other_due or (due == other_due and order < other_order)
