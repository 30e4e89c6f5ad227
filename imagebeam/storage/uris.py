"""URIs, without knowledge of images: schemes, local paths, and members of archives."""

import os
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

MEMBER = "!/"
"""Separates an archive from the name of a member, as in `photos.tar!/cat.jpg`."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Hadoop and Java write one slash.
_FILE = re.compile(r"file:(?:(?=/[^/])|//(?:localhost(?=/))?)", re.IGNORECASE)

_PLAIN = ("file", "gs", "s3")
"""Schemes of names that are paths: a `?`, `#` or `@` in them is part of the name."""


def scheme(uri: str) -> str:
    """Return the URI's scheme in lower case; `file` for a local path."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match else "file"


def is_plain(uri: str) -> bool:
    """Return whether the URI is a path, which has no query, fragment or user."""
    return scheme(uri) in _PLAIN


def path(uri: str) -> str:
    """Return the URI without the query and fragment that a URL may have; "" if it is malformed."""
    try:
        return uri if is_plain(uri) else urlsplit(uri).path
    except ValueError:
        return ""


def split_member(uri: str) -> tuple[str, str]:
    """Split the URI of an archive's member into archive and member; the latter may be empty."""
    archive, _, name = uri.partition(MEMBER)
    return archive, name


def to_path(uri: str) -> str:
    """Return the local path that a plain name or a `file://` URI stands for.

    Bytes that are not UTF-8 become surrogates, as everywhere in `os`.
    """
    if prefix := _FILE.match(uri):
        return os.fsdecode(unquote_to_bytes(os.fsencode(uri[prefix.end() :])))
    return uri


def from_path(path: str) -> str:
    """Return the URI of a local file: its absolute path, exactly as the file system spells it.

    A path that is not valid UTF-8 becomes a percent-encoded `file://` URI (RFC 8089), because no
    text format could hold it. Links are not resolved.
    """
    absolute = os.path.abspath(path)
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        return "file://" + quote_from_bytes(os.fsencode(absolute))
    return absolute
