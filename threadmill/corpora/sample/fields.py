"""Which fields a comment of each month has and what they look like: the drift of the real dumps.

Read from the schemas of the dumps of 2005-12 to 2026-01 (github.com/ArthurHeitmann/arctic_shift, schemas/RC): a field is
listed for the months in which it is in (nearly) every line.
"""

from dataclasses import dataclass

SORTED_SINCE = "2023-04"  # keys are sorted, and text is UTF-8 rather than \u escapes
REMOVED_BY_REDDIT_SINCE = "2021-01"
FLOAT_EDITED_SINCE = "2023-04"


@dataclass(frozen=True)
class Field:
    """A field of a comment.

    Attributes:
        name: the key.
        value: its JSON, with columns in braces.
        months: "since..until", both included, either may be missing; several parted by spaces.
        only_if: a column; the field is left out where it is zero.
    """

    name: str
    value: str
    months: str = ".."
    only_if: str = ""

    def exists(self, month: str) -> bool:
        """Whether the dump of ``month`` (YYYY-MM) has it."""
        spans = (span.split("..") for span in self.months.split())
        return any(since <= month and (not until or month <= until) for since, until in spans)


_NULL, _FALSE, _TRUE, _LIST, _TEXT = "null", "false", "true", "[]", '""'
_EARLY = "2007-11..2015-07"

FIELDS: tuple[Field, ...] = (
    Field("id", '"{id}"'),
    Field("parent_id", '"{parent_kind}{parent}"'),
    Field("link_id", '"t3_{link}"'),
    Field("name", '"t1_{id}"', f"{_EARLY} 2021-02.."),
    Field("author", '"{author}"'),
    Field("author_flair_text", "{flair_quote}{flair_text}{flair_quote}"),
    Field("author_flair_css_class", "null"),
    Field("body", '"{removal_text}{body}"'),
    Field("subreddit", '"{subreddit}"'),
    Field("subreddit_id", '"t5_{subreddit_id}"'),
    Field("distinguished", "{distinguished}"),
    Field("edited", "{edited}{edited_fraction}"),
    Field("gilded", "{gilded}"),
    Field("controversiality", "{controversial}"),
    # Times
    Field("created_utc", "{created_utc}", "..2007-10 2015-12..2023-12 2025-01.."),
    Field("created_utc", '"{created_utc}"', "2007-11..2015-01 2015-03..2015-11"),
    Field("created_utc", "{quote}{created_utc}{quote}", "2015-02..2015-02"),
    Field("created_utc", "{created_utc}{fraction}", "2024-01..2024-12"),
    Field("created", "{created_utc}{fraction}", "2023-04.."),
    Field("retrieved_on", "{retrieved}", "..2015-01 2015-03..2018-03 2018-05..2021-01 2021-07.."),
    Field("retrieved_on", "{retrieved}", "2015-02..2015-02", only_if="retrieved_kept"),
    Field("retrieved_on", "{retrieved_or_null}", "2018-04..2018-04"),
    Field("retrieved_utc", "{retrieved}", "2021-02..2021-06"),
    # Votes
    Field("score", "{score}", "..2017-09 2017-12.."),
    Field("score", "{score_or_null}", "2017-10..2017-11"),
    Field("ups", "{score}", "..2016-09 2023-04.."),
    Field("downs", "0", f"{_EARLY} 2023-04.."),
    Field("score_hidden", _FALSE, f"{_EARLY} 2018-04..2018-07 2021-02.."),
    Field("stickied", "{stickied}", "..2007-10 2015-12.."),
    Field("archived", _TRUE, f"{_EARLY} 2018-04..2018-12"),
    Field("archived", _FALSE, "2021-02.."),
    # The author
    Field("is_submitter", "{is_submitter}", "2017-08.."),
    Field("author_created_utc", "{author_created}", "2018-07..2023-03", only_if="known_author"),
    Field("author_fullname", '"t2_{author_id}"', "2018-07..2021-01 2022-05..2023-02 2023-06..", only_if="known_author"),
    Field("author_flair_template_id", _NULL, "2018-04.."),
    Field("author_flair_background_color", _NULL, "2018-06.."),
    Field("author_flair_text_color", _NULL, "2018-06.."),
    Field("author_flair_type", '"text"', "2018-06..", only_if="known_author"),
    Field("author_flair_richtext", _LIST, "2018-06..", only_if="known_author"),
    Field("author_patreon_flair", _FALSE, "2018-11..", only_if="known_author"),
    Field("author_premium", _FALSE, "2019-09..", only_if="known_author"),
    Field("author_is_blocked", _FALSE, "2021-04..2021-06 2023-04.."),
    # The place
    Field("permalink", '"/r/{subreddit}/comments/{link}/{slug}/{id}/"', "2017-10.."),
    Field("subreddit_type", '"public"', "2017-11.."),
    Field("subreddit_name_prefixed", '"r/{subreddit}"', "2018-07..2021-01 2021-07.."),
    Field("quarantined", _FALSE, "2019-02..2021-01"),
    Field("_meta", '{{removal_type}"retrieved_2nd_on":{retrieved_again}{deleted_later}}', "2023-11.."),
    # The rest says little
    Field("removal_reason", _NULL, "2013-03..2013-04 2014-01..2014-07 2015-04..2015-07 2018-04..2021-01 2023-04.."),
    Field("can_gild", _TRUE, "2017-04..2023-03"),
    Field("can_gild", _FALSE, "2023-04.."),
    Field("approved_at_utc", _NULL, "2017-07..2017-07 2023-04.."),
    Field("can_mod_post", _FALSE, "2017-07..2017-07 2018-04..2021-01 2023-04.."),
    Field("collapsed", "{collapsed}", "2017-08..2017-09 2018-07.."),
    Field("collapsed_reason", "{collapsed_reason}", "2017-08..2017-09 2018-07.."),
    Field("no_follow", _TRUE, "2018-03.."),
    Field("send_replies", _TRUE, "2018-03.."),
    Field("rte_mode", '"markdown"', "2018-06..2018-06"),
    Field("gildings", "{}", "2018-09.."),
    Field("locked", _FALSE, "2019-04.."),
    Field("total_awards_received", "0", "2019-04.."),
    Field("all_awardings", _LIST, "2019-05.."),
    Field("steward_reports", _LIST, "2019-06..2019-09"),
    Field("associated_award", _NULL, "2019-07.."),
    Field("awarders", _LIST, "2019-07..2021-01 2023-04.."),
    Field("collapsed_because_crowd_control", _NULL, "2019-09.."),
    Field("treatment_tags", _LIST, "2020-01.."),
    Field("top_awarded_type", _NULL, "2020-03.."),
    Field("comment_type", _NULL, "2020-07.."),
    Field("collapsed_reason_code", _NULL, "2021-02.."),
    Field("unrepliable_reason", _NULL, "2021-07.."),
    Field("approved_by", _NULL, "2023-04.."),
    Field("banned_at_utc", _NULL, "2023-04.."),
    Field("banned_by", _NULL, "2023-04.."),
    Field("likes", _NULL, "2023-04.."),
    Field("mod_note", _NULL, "2023-04.."),
    Field("mod_reason_by", _NULL, "2023-04.."),
    Field("mod_reason_title", _NULL, "2023-04.."),
    Field("mod_reports", _LIST, "2023-04.."),
    Field("num_reports", _NULL, "2023-04.."),
    Field("replies", _TEXT, "2023-04.."),
    Field("report_reasons", _NULL, "2023-04.."),
    Field("saved", _FALSE, "2023-04.."),
    Field("user_reports", _LIST, "2023-04.."),
)


def fields_of(month: str, fields: tuple[Field, ...] = FIELDS) -> tuple[Field, ...]:
    """The fields of a month's dump (YYYY-MM), of comments by default."""
    return tuple(field for field in fields if field.exists(month))
