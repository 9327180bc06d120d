"""Web addresses of files: which URIs are such, and how they are shown and kept without what is secret in them."""

from urllib.parse import urlsplit, urlunsplit


def is_on_the_web(uri: str) -> bool:
    """True for an http or https address, whose file is downloaded before it is read."""
    return uri.startswith(("http://", "https://"))


def public_uri(uri: str) -> str:
    """``uri`` less what may be secret in a web address: user, password, query; and less the checksum's fragment."""
    if not is_on_the_web(uri):
        return uri
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, "", ""))
