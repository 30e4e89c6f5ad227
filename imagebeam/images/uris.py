"""How an image is named: one string, the same in every run, that a manifest or table can hold.

A name holds no secrets. Where an address does, as a signed URL, the two differ.
"""

import hashlib
import os
import re
from urllib.parse import quote, urlsplit, urlunsplit

from imagebeam.storage.uris import MEMBER, from_path, is_plain, path, scheme, split_member, to_path

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

_SIGNATURE = re.compile(r"(x-[a-z]+-)?(signature|sig)", re.IGNORECASE)
_SIGNING = re.compile(
    # AWS, Google and others; CloudFront; Azure.
    r"x-[a-z]+-.*|(signature|expires|policy|key-pair-id)|(aws|oss)accesskeyid|googleaccessid"
    r"|sig|s[veirtps]|s(rt|pr|ip)|sk(oid|tid|t|e|s|v)",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"auth|cred|hmac|jwt|(^|[-_])key|pass|pwd|secret|sig|sess|ticket|token", re.IGNORECASE
)
_LONGEST_SHOWN = 24
"""Characters of a query's value: a longer one may be a key under a name that nobody foresaw."""


def without_secrets(address: str) -> str:
    """The name of what is at an address: a web address less user, password and signature.

    The name of an object stays the same when its URL is signed anew. Other values in the query
    that are long, or whose parameter is called so, are replaced by a digest: different addresses
    keep different names.
    """
    if is_plain(address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        # No URL at all: all of it may be secret.
        return f"{scheme(address)}://{_digest(address)}"
    host = parts.netloc.rpartition("@")[2]
    query = [each.partition("=") for each in parts.query.split("&") if each]
    if any(_SIGNATURE.fullmatch(name) for name, *_ in query):
        query = [each for each in query if not _SIGNING.fullmatch(each[0])]
    return urlunsplit((parts.scheme, host, parts.path, "&".join(map(_shown, query)), ""))


def holds_secrets(address: str) -> bool:
    """Whether an address holds what its name must not."""
    return without_secrets(address) != address.partition("#")[0]


def _shown(parameter: tuple[str, str, str]) -> str:
    name, sign, value = parameter
    if not sign:
        return name if len(name) <= _LONGEST_SHOWN else _digest(name)
    is_secret = len(value) > _LONGEST_SHOWN or _SECRET.search(name)
    return f"{name}={_digest(value) if is_secret else value}"


def _digest(text: str) -> str:
    return "~" + hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


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
