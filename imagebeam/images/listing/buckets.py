"""List the images below a name in a bucket, or those that match a glob there.

A bucket has no folders, but names have parts. Iteration raises StoreError where a store fails.
"""

import glob
from collections.abc import Iterator, Sequence
from typing import Protocol

from imagebeam.images.listing.folders import ANY_FOLDERS, is_match
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.names import NameRules, is_hidden
from imagebeam.storage import ObjectInfo


class Listable(Protocol):
    """The part of a store that listing needs."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield all objects whose names start with a prefix, by name."""


def walk(store: Listable, folder: str, rules: NameRules, left_out: LeftOut) -> Iterator[ObjectInfo]:
    """Yield all images below a name, by name."""
    prefix = folder.rstrip("/") + "/"
    for info in store.list(prefix):
        # A name that ends in a slash stands for an empty folder.
        if info.uri.endswith("/"):
            continue
        yield from _judged(info, rules.judge(info.uri[len(prefix) :]), left_out)


def expand(
    store: Listable, pattern: str, rules: NameRules, left_out: LeftOut
) -> Iterator[ObjectInfo]:
    """Yield the images that a glob matches, and those below what it matches, by name."""
    for info, below in _matched(store, pattern):
        if info.uri.endswith("/"):
            continue
        parts = info.uri.split("/")
        name = parts[len(parts) - len(below) - 1]
        # What the glob matches is judged as on a disk: a hidden name that it states is meant.
        reason = rules.reason_to_skip((name,), "" if is_hidden(name) else name)
        judgement = rules.judge("/".join(below)) if below else rules.judge_name(name)
        yield from _judged(info, reason or judgement, left_out)


def matches(store: Listable, pattern: str) -> Iterator[str]:
    """Yield the names of objects that a glob matches, images or not, and of folders, by name.

    The name of a folder ends in a slash.

    Raises:
        StoreError: the store does not list any further.
    """
    last = ""
    for info, below in _matched(store, pattern):
        name = info.uri[: len(info.uri) - len("/".join(below))]
        if name != last:
            last = name
            yield name


def _judged(info: ObjectInfo, judgement: str, left_out: LeftOut) -> Iterator[ObjectInfo]:
    # A look at the content would cost a request for each object: one whose name does not show
    # its kind is requested, unless it is empty.
    if judgement == "image" or (judgement == "unknown" and info.size != 0):
        yield info
    elif judgement != "table":
        left_out.add("other_kind" if judgement == "unknown" else judgement, info.uri)


def _matched(store: Listable, pattern: str) -> Iterator[tuple[ObjectInfo, Sequence[str]]]:
    """Yield what a glob matches, each with the parts of its name below the match."""
    parts = pattern.split("/")
    fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
    prefix = "/".join(parts[:fixed]) + "/"
    for info in store.list(prefix):
        below = _below(info.uri[len(prefix) :].split("/"), parts[fixed:])
        if below is not None:
            yield info, below


def _below(name: Sequence[str], pattern: Sequence[str]) -> Sequence[str] | None:
    """Return the parts of a name after those that a pattern matches; None without a match."""
    if not pattern:
        return name
    if not name:
        return None
    if pattern[0] == ANY_FOLDERS:
        # At the end it matches everything; elsewhere it may stand for no folder at all.
        if len(pattern) > 1 and (below := _below(name, pattern[1:])) is not None:
            return below
        if len(pattern) == 1 and len(name) == 1:
            return None if is_hidden(name[0]) else ()
        return None if is_hidden(name[0]) else _below(name[1:], pattern)
    return _below(name[1:], pattern[1:]) if is_match(name[0], pattern[0]) else None
