"""E-mail addresses and phone numbers in a text: found with few false alarms, and masked.

Numbers are found in two forms: North American ones with their parts apart, (212) 555-0123, 212-555-0123, 212.555.0123 or
+1 212 555 0123, whose area code and exchange never begin with 0 or 1; and international ones that begin with + and have 8 to
15 digits (ITU-T E.164) in groups. Digits in a row without a mark are left alone: they may be ids, scores or prices.
"""

import polars as pl

from threadmill.conversations.config import ConversationsConfig

# An underscore at an end is Markdown's mark of italics.
_EMAIL = r"(?i)\b[a-z0-9_](?:[a-z0-9._%+-]{0,63})@(?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,8}[a-z]{2,24}(?:\b|_+)"
# Rust's expressions do not look around, so what stands before a number is taken and given back; it is no part of a longer number,
# a word, an address or a price.
_BEFORE = r"(?P<before>^|[^\w+./=$€£#&-])"
_EXCHANGE = r"[2-9][0-9]{2}[ .-][0-9]{4}"
_NORTH_AMERICAN = (
    rf"(?:\+1[ .-]?|1[ .-])?(?:\([2-9][0-9]{{2}}\)[ .-]?|[2-9][0-9]{{2}}[.-]){_EXCHANGE}"
    rf"|\+1[ .-]?[2-9][0-9]{{2}} {_EXCHANGE}"
)
_NATIONAL = (
    r"(?:[0-9][ .-])?[0-9]{2}(?:[ .-]?[0-9]{2}){3,4}"  # in pairs
    r"|[0-9]{2,4}[ .-]?[0-9]{3,4}[ .-]?[0-9]{3,4}"  # in three groups
    r"|[0-9]{2,5}[ .-][0-9]{5,8}"  # in two
    r"|[0-9]{8,12}"
)
_INTERNATIONAL = rf"\+[2-9][0-9]{{0,2}}[ .-]?(?:\(0?[0-9]{{0,4}}\)[ .-]?)?(?:{_NATIONAL})"
_AFTER = r"(?P<after>$|[^\w./%=-]|[./-](?:[^0-9]|$))"
_PHONE = f"{_BEFORE}(?:{_NORTH_AMERICAN}|{_INTERNATIONAL}){_AFTER}"
_MAYBE_PHONE = r"[0-9]{3}[ .-][0-9]{4}|\+[0-9]"  # quick to look for


def present(config: ConversationsConfig) -> pl.Expr | None:
    """The text holds an e-mail address or a phone number, and such are to be dropped."""
    if config.personal_data != "drop":
        return None
    return pl.col("body").map_batches(_found, return_dtype=pl.Boolean)


def _found(body: pl.Series) -> pl.Series:
    rows = _suspects(body)
    texts = body.gather(rows)
    found = texts.str.contains(_EMAIL) | texts.str.contains(_PHONE)
    return pl.repeat(False, len(body), dtype=pl.Boolean, eager=True).scatter(rows, found)


def masked(body: pl.Series) -> pl.Series:
    """The texts with [EMAIL] and [PHONE] where such stood."""
    rows = _suspects(body)
    if not len(rows):
        return body
    texts = body.gather(rows).str.replace_all(_EMAIL, "[EMAIL]")
    for _ in range(2):  # of numbers with one character between, the first time finds every other
        texts = texts.str.replace_all(_PHONE, "${before}[PHONE]${after}")
    return body.scatter(rows, texts)


def _suspects(body: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"body": body})
    maybe = pl.col("body").str.contains("@", literal=True) | pl.col("body").str.contains(_MAYBE_PHONE)
    return frame.select(maybe.fill_null(False)).to_series().arg_true()
