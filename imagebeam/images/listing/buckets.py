"""List the images below a name in a bucket, or those that match a glob there.

A bucket has no folders, but names have parts.
"""

import glob
from collections.abc import Iterator, Sequence

from imagebeam.images.containers.members import is_wanted
from imagebeam.images.listing.folders import ANY_FOLDERS, is_hidden, is_image_name, is_match
from imagebeam.storage import ObjectInfo, Store


def walk(store: Store, folder: str) -> Iterator[ObjectInfo]:
    """All images below a name, by name.

    Raises:
        StoreError: the store lists no further.
    """
    prefix = folder.rstrip("/") + "/"
    return (found for found in store.list(prefix) if is_wanted(found.uri[len(prefix) :]))


def expand(store: Store, pattern: str) -> Iterator[ObjectInfo]:
    """The images that a glob matches, and those below what it matches, by name.

    Raises:
        StoreError: the store lists no further.
    """
    return (found for found, _ in _matched(store, pattern) if is_image_name(found.uri))


def matches(store: Store, pattern: str) -> Iterator[ObjectInfo]:
    """The objects that a glob matches, images or not, by name.

    Raises:
        StoreError: the store lists no further.
    """
    return (found for found, below in _matched(store, pattern) if not below)


def _matched(store: Store, pattern: str) -> Iterator[tuple[ObjectInfo, Sequence[str]]]:
    """What a glob matches, each with the parts of its name below that."""
    parts = pattern.split("/")
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    prefix = "/".join(parts[:fixed]) + "/"
    for found in store.list(prefix):
        below = _below(found.uri[len(prefix) :].split("/"), parts[fixed:])
        if below is not None:
            yield found, below


def _below(name: Sequence[str], pattern: Sequence[str]) -> Sequence[str] | None:
    """The parts of a name behind those that a pattern matches; None where it does not."""
    if not pattern:
        return None if any(map(is_hidden, name)) else name
    if not name:
        return None
    if pattern[0] == ANY_FOLDERS:
        # At the end it matches everything; else it may stand for no folder at all.
        if len(pattern) > 1 and (below := _below(name, pattern[1:])) is not None:
            return below
        if len(pattern) == 1 and len(name) == 1:
            return None if is_hidden(name[0]) else ()
        return None if is_hidden(name[0]) else _below(name[1:], pattern)
    return _below(name[1:], pattern[1:]) if is_match(name[0], pattern[0]) else None
