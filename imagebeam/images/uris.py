"""Name images: one string each, the same in every run, that a manifest or table can hold.

A name holds no secrets. It differs from the address if that holds one, such as a signed URL.
"""

import os
from urllib.parse import quote

from imagebeam.storage.secrets import holds_secrets, member_without_secrets, without_secrets
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
    """Return the URI of an archive's member; bytes of its name that are not UTF-8 are encoded.

    A name that is an address holds no secrets either.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        name = quote(os.fsencode(name))
    return f"{archive}{MEMBER}{member_without_secrets(name)}"


def from_entry(entry: str, base: str) -> str:
    """Return the URI for a manifest's entry; a relative path starts at folder `base`.

    Raises:
        UnicodeEncodeError: the text is not valid Unicode, so no table can hold it.
    """
    if scheme(entry) != "file":
        entry.encode("utf-8")
        return entry
    return from_path(os.path.join(base, to_path(entry)))
