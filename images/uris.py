"""How an image is named: one string, the same in every run, that a manifest or table can hold."""

import os
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_FILE = re.compile(r"file://(?:localhost(?=/))?", re.IGNORECASE)


def scheme(uri: str) -> str:
    """The URI's scheme in lower case; `file` for a local path."""
    match = _SCHEME.match(uri)
    return match[1].lower() if match else "file"


def from_path(path: str) -> str:
    """The URI of a local file: its absolute path, exactly as the file system spells it.

    A path that is not valid UTF-8 becomes a percent-encoded `file://` URI (RFC 8089), since no
    text format could hold it. Links are not resolved: the name is what was asked for.
    """
    absolute = os.path.abspath(path)
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        return "file://" + quote_from_bytes(os.fsencode(absolute))
    return absolute


def from_entry(entry: str, base: str) -> str:
    """The URI for a manifest's entry, taken literally; a relative path starts at folder `base`.

    Raises:
        UnicodeEncodeError: text that names no file and that no table can hold.
    """
    if scheme(entry) != "file":
        entry.encode("utf-8")
        return entry
    return from_path(os.path.join(base, to_path(entry)))


def to_path(uri: str) -> str:
    """The local path that a URI of scheme `file` names.

    Bytes that are not UTF-8 become surrogates, as everywhere in `os`.
    """
    if prefix := _FILE.match(uri):
        return os.fsdecode(unquote_to_bytes(os.fsencode(uri[prefix.end() :])))
    return uri
