"""How an image is named: one string, the same in every run, that a manifest or table can hold.

A name holds no secrets. Where an address does, as a signed URL, the two differ.
"""

import os
from urllib.parse import quote

from imagebeam.storage.secrets import holds_secrets, without_secrets
from imagebeam.storage.uris import MEMBER, from_path, path, scheme, split_member, to_path

__all__ = [
    "from_entry",
    "from_path",
    "holds_secrets",
    "member",
    "path",
    "scheme",
    "split_member",
    "to_path",
    "without_secrets",
]


def member(archive: str, name: str) -> str:
    """The URI of a member of an archive; bytes of its name that are not UTF-8 are encoded."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        name = quote(os.fsencode(name))
    return f"{archive}{MEMBER}{name}"


def from_entry(entry: str, base: str) -> str:
    """The URI for a manifest's entry, taken literally; a relative path starts at folder `base`.

    Raises:
        UnicodeEncodeError: text that names no file and that no table can hold.
    """
    if scheme(entry) != "file":
        entry.encode("utf-8")
        return entry
    return from_path(os.path.join(base, to_path(entry)))
