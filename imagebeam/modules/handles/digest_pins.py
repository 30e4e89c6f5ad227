"""Check pins: refuse a module that differs from the pinned digest, and name the changed files.

A digest alone does not show what differs. So the cache keeps the listing of every directory that
was opened, under the SHA-256 of the listing, which proves its content.

A model of Kaggle or Hugging Face is pinned at its first use, because its publisher may replace what
is behind the handle, and nothing in the catalogue states its digest.
"""

import contextlib
import hashlib
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
from imagebeam.modules.handles.model_hubs import is_model_hub
from imagebeam.storage.atomic_files import write_file

_MOST_NAMED = 5


def verified_digest(handle: str, path: Path, pin: str | None, cache: Cache) -> str:
    """Compute the digest of the module at `path`, a directory or file, and compare it with its pin.

    Args:
        handle: without the pin.
        pin: the digest that the user requires; None for that of the first use, if there is one.
        cache: holds the digests of first uses, and listings.

    Raises:
        ModuleError: the digest is not the pinned one, or a file cannot be read.
    """
    first = _first_digest(handle, cache) if is_model_hub(handle) else None
    expected = pin or first
    hashes = None if path.is_file() else file_hashes(path)
    digest = digest_of_file(path) if hashes is None else digest_of_hashes(hashes)
    if expected not in (None, digest):
        details = "" if hashes is None else _what_differs(expected, hashes, cache)
        raise _mismatch(handle, digest, expected, "pinned" if pin else "at its first use", details)
    if hashes is not None:
        _remember(digest, hashes, cache)
    if is_model_hub(handle) and digest != first:
        _pin(handle, digest, cache)
    return digest


def _mismatch(
    handle: str, digest: str, expected: str | None, when: str, details: str
) -> ModuleError:
    return ModuleError(
        f"{handle!r}: its digest is {digest}, not {expected} as {when}{details}. "
        "Use the module that was pinned. If you know why it changed, pin the new digest: append "
        f"@{digest} to the handle."
    )


def _pin_file(handle: str, cache: Cache) -> Path:
    return cache.directory("pins") / hashlib.sha256(handle.encode()).hexdigest()


def _first_digest(handle: str, cache: Cache) -> str | None:
    try:
        return _pin_file(handle, cache).read_text("ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModuleError(
            f"{handle!r}: the digest of its first use cannot be read ({error}). Delete the file "
            "if you trust the module as it is now."
        ) from error


def _pin(handle: str, digest: str, cache: Cache) -> None:
    try:
        write_file(_pin_file(handle, cache), f"{digest}\n".encode())
    except OSError as error:
        raise ModuleError(
            f"{handle!r}: the digest of its first use cannot be kept ({error.strerror}). Pin it: "
            f"append @{digest} to the handle."
        ) from error


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
