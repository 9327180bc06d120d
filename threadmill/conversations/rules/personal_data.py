"""E-mail addresses and phone numbers in a text: found with few false alarms, and masked.

Numbers are found in two forms: North American ones with their parts apart, (212) 555-0123, 212-555-0123, 212.555.0123 or
+1 212 555 0123, whose area code and exchange never begin with 0 or 1; and international ones that begin with + and have 8 to
15 digits (ITU-T E.164) in groups. Digits in a row without a mark are left alone: they may be ids, scores or prices.
"""

import polars as pl

from threadmill.conversations.config import ConversationsConfig

_EMAIL = r"(?i)\b[a-z0-9](?:[a-z0-9._%+-]{0,63})@(?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,8}[a-z]{2,24}\b"
# Rust's expressions do not look around, so what stands before a number is taken and given back; it is no part of a longer number,
# a word, an address or a price.
_BEFORE = r"(?P<before>^|[^\w+./=$€£#&-])"
_NORTH_AMERICAN = (
    r"(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\)[ .-]?|[2-9]\d{2}[.-])[2-9]\d{2}[ .-]\d{4}|\+1[ .-]?[2-9]\d{2} [2-9]\d{2} \d{4}"
)
_INTERNATIONAL = r"\+[2-9]\d{0,2}(?:[ .-]?\(0?\d{1,4}\))?(?:[ .-]?\d{2,4}){2,4}"
_AFTER = r"(?P<after>$|[^\w./%=-]|[./-](?:\D|$))"
_PHONE = f"{_BEFORE}(?:{_NORTH_AMERICAN}|{_INTERNATIONAL}){_AFTER}"
_MAYBE_PHONE = r"\d{3}[ .-]\d{4}|\+\d"  # quick to look for


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
