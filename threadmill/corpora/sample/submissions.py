"""The submissions of the sample world's threads: the fields of an RS_ dump, and a block of comments turned into them."""

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample import activity_kernels as activity
from threadmill.corpora.sample.draws import draw
from threadmill.corpora.sample.fields import Field
from threadmill.corpora.sample.months import Month

Ints = npt.NDArray[np.int64]

_SOONEST, _LATEST = 20, 1800  # seconds from a submission to the first comment on it
_DELETED, _REMOVED, _DELETED_ACCOUNT = 60, 40, 20  # in a thousand
_NEIGHBOURS = 4

# The fields that the dumps of all years have (github.com/ArthurHeitmann/arctic_shift, schemas/RS: 2006-01, 2012-01, 2024-01),
# less `domain`. `num_comments` was read when the submission was new.
SUBMISSION_FIELDS: tuple[Field, ...] = (
    Field("id", '"{id}"'),
    Field("title", '"{title_tombstone}{title}"'),
    Field("selftext", '"{removal_text}{self_text}{self_more}"'),
    Field("is_self", "{is_self}"),
    Field("url", '"https://www.reddit.com/r/{subreddit}/comments/{id}/{slug}/"', only_if="self_post"),
    Field("url", '"{address}"', only_if="link_post"),
    Field("permalink", '"/r/{subreddit}/comments/{id}/{slug}/"'),
    Field("author", '"{author}"'),
    Field("author_flair_text", "{flair_quote}{flair_text}{flair_quote}"),
    Field("author_flair_css_class", "null"),
    Field("subreddit", '"{subreddit}"'),
    Field("subreddit_id", '"t5_{subreddit_id}"'),
    Field("created_utc", "{created_utc}"),
    Field("edited", "{edited}{edited_fraction}"),
    Field("score", "{score}"),
    Field("num_comments", "0"),
    Field("distinguished", "null"),
    Field("hidden", "false"),
    Field("over_18", "false"),
    Field("link_flair_text", "null"),
    Field("link_flair_css_class", "null"),
    Field("media", "null"),
    Field("media_embed", "{}"),
    Field("thumbnail", '""'),
)


def submissions_of(comments: Ints, month: Month, classes: Ints, seed: int) -> Ints:
    """The submissions of the threads that open in a block of comments, in order of time.

    Args:
        comments: int64[COLUMNS, n] (activity_kernels).
        month: theirs; no submission is from before it.
        classes: int64[topics, classes, 2], as in language.Grammar.
        seed: the world's seed.

    Returns:
        int64[COLUMNS, threads]: about the thread's thing, under the thread's id and its submitter's name. Threads that
        opened before the world did have none.
    """
    rows = comments[:, comments[activity.ID] - activity.LINK_OFFSET == comments[activity.LINK]].copy()
    ids = rows[activity.ID] = rows[activity.LINK]
    before = _SOONEST + draw(ids, seed, "submitted before", _LATEST - _SOONEST)
    rows[activity.UTC] = np.maximum.accumulate(np.maximum(rows[activity.UTC] - before, month.first_second))
    for column in (activity.PARENT, activity.PARENT_A, activity.PARENT_X):
        rows[column] = -1
    rows[activity.A] = rows[activity.THING]
    start, count = classes[rows[activity.TOPIC], activity.THING_CLASS].T
    rows[activity.B] = start + (rows[activity.THING] - start + 1 + 2 * draw(ids, seed, "other thing", _NEIGHBOURS)) % count
    dice = draw(ids, seed, "submission removed", 1000)
    removal = np.where(dice < _DELETED, activity.DELETED, np.where(dice < _DELETED + _REMOVED, activity.REMOVED, activity.KEPT))
    rows[activity.REMOVAL] = removal
    gone = (removal == activity.DELETED) | (draw(ids, seed, "account deleted", 1000) < _DELETED_ACCOUNT)
    rows[activity.AUTHOR] = np.where(gone, -1, rows[activity.SUBMITTER])
    return rows
