"""Check pins: refuse a module that differs from the pinned digest, and name the changed files.

A digest alone does not show what differs. So the cache keeps the listing of every directory that
was opened, under the SHA-256 of the listing, which proves its content.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest import (
    PREFIX,
    differences,
    digest_of_file,
    digest_of_hashes,
    file_hashes,
    listing,
    parse_listing,
)
from imagebeam.storage.atomic_files import write_file

_MOST_NAMED = 5


def verified_digest(handle: str, path: Path, pin: str | None, cache: Cache) -> str:
    """Compute the digest of the module at `path`, a directory or file, and compare it with `pin`.

    Raises:
        ModuleError: the digest is not `pin`, or a file cannot be read.
    """
    if path.is_file():
        digest = digest_of_file(path)
        if pin not in (None, digest):
            raise _mismatch(handle, digest, pin, "")
        return digest
    hashes = file_hashes(path)
    digest = digest_of_hashes(hashes)
    if pin not in (None, digest):
        raise _mismatch(handle, digest, pin, _what_differs(pin, hashes, cache))
    _remember(digest, hashes, cache)
    return digest


def _mismatch(handle: str, digest: str, pin: str | None, details: str) -> ModuleError:
    return ModuleError(
        f"{handle!r}: its digest is {digest}, not {pin} as pinned{details}. "
        "Use the module that was pinned. If you know why it changed, pin the new digest."
    )


def _what_differs(pin: str | None, hashes: Mapping[str, str], cache: Cache) -> str:
    expected = _recall(pin or "", cache)
    if expected is None:
        return ""
    found = differences(expected, hashes)
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return f" ({', '.join(found[:_MOST_NAMED])}{more})"


def _recall(digest: str, cache: Cache) -> dict[str, str] | None:
    try:
        content = (cache.directory("digests") / digest.removeprefix(PREFIX)).read_bytes()
        hashes = parse_listing(content)
    except (OSError, ValueError):
        return None
    return hashes if digest_of_hashes(hashes) == digest else None


def _remember(digest: str, hashes: Mapping[str, str], cache: Cache) -> None:
    # The listing only improves a later error message, so a read-only cache is no error.
    with contextlib.suppress(OSError, ModuleError):
        path = cache.directory("digests") / digest.removeprefix(PREFIX)
        if not path.exists():
            write_file(path, listing(hashes))
