"""Digests of the bytes of images: as a column of rows, and compared with those of a manifest."""

import base64
import binascii
import hashlib
import re
from typing import Literal

from imagebeam.images.errors import BadManifestEntry, DigestMismatch

Digest = Literal["sha256"]
"""The kinds of digests that rows can have."""

DIGEST_BYTES = 32

_SIZES = {16: "md5", 20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}
_HEX = re.compile(r"[0-9a-fA-F]+")
_PREFIX = re.compile(r"(md5|sha1|sha256|sha384|sha512)[:-]", re.IGNORECASE)
_LONGEST_SHOWN = 140


def digest_of(data: bytes, kind: Digest) -> bytes:
    """Return the digest of data, `DIGEST_BYTES` bytes."""
    return hashlib.new(kind, data).digest()


def stated_digest(value: object, column: str) -> str:
    """Return the digest that a manifest states as `KIND:HEX`; its length shows the kind.

    Args:
        value: hexadecimal or base64 text, perhaps after a prefix such as `md5:`, or bytes.
        column: the column that holds it.

    Raises:
        BadManifestEntry: it is no digest.
    """
    digest = value if isinstance(value, bytes) else _decoded(str(value or "").strip())
    kind = _SIZES.get(len(digest))
    prefix = _PREFIX.match(value.strip()) if isinstance(value, str) else None
    if kind is None or (prefix is not None and prefix[1].lower() != kind):
        shown = repr(value)[:_LONGEST_SHOWN]
        raise BadManifestEntry(f"`{column}` is {shown}, not a digest (MD5, SHA-1 or SHA-2)")
    return f"{kind}:{digest.hex()}"


def verify_digest(data: bytes, stated: str) -> None:
    """Raise DigestMismatch if data has another digest than the one that `stated_digest` gave."""
    kind, _, wanted = stated.partition(":")
    if (found := hashlib.new(kind, data, usedforsecurity=False).hexdigest()) != wanted:
        raise DigestMismatch(f"its {kind} is {found}, and the manifest says {wanted}")


def _decoded(text: str) -> bytes:
    text = _PREFIX.sub("", text, count=1)
    try:
        if _HEX.fullmatch(text) and len(text) // 2 in _SIZES:
            return bytes.fromhex(text)
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""
