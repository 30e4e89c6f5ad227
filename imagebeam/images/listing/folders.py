"""Which images lie in a folder or match a glob, in an order that is the same in every run."""

import fnmatch
import glob
import os
from collections.abc import Iterator

from imagebeam.images.errors import UnreadableListing

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif"),
        *(".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    )
)
"""Names that folders and globs take as images, in any case. A file named alone is always taken."""

Found = tuple[str, UnreadableListing | None]
"""A path, and why nothing in it can be found if it is a folder that cannot be listed."""

_Chain = tuple[tuple[int, int], ...]
"""Device and inode of each folder on the way down: a link that leads back to one is a loop."""

ANY_FOLDERS = "**"
"""The part of a glob that stands for any folders, and for none."""


def walk(folder: str) -> Iterator[Found]:
    """All images below a folder, by name.

    Names that start with a dot are left out, as globs and file managers do. Links to folders are
    followed unless they lead back.
    """
    pending: list[tuple[str, _Chain | None]] = [(folder, ())]
    while pending:
        path, above = pending.pop()
        if above is None:
            yield path, None
            continue
        try:
            entries, below = _entries(path, above)
        except OSError as error:
            yield path, _unreadable(error)
            continue
        # Reversed, for the last to come is the first to go.
        for entry in reversed(entries):
            if is_hidden(entry.name):
                continue
            if _is_folder(entry):
                pending.append((entry.path, below))
            elif is_image_name(entry.name):
                pending.append((entry.path, None))


def expand(pattern: str, base: str) -> Iterator[Found]:
    """The images that a glob matches, and those below the folders that it matches."""
    walked: set[str] = set()
    for path, problem in matches(pattern, base):
        # `**` matches a folder and what is in it: that has been walked already.
        if _is_below(path, walked):
            continue
        if problem is not None:
            yield path, problem
        elif os.path.isdir(path):
            walked.add(path)
            yield from walk(path)
        elif is_image_name(path):
            yield path, None


def matches(pattern: str, base: str) -> Iterator[Found]:
    """What a glob matches, as `glob.glob` understands it; a relative one starts at folder `base`.

    Unlike there, folders that cannot be listed are named and links that lead back are not
    followed: two of them would stand for more names than can be counted.
    """
    parts = tuple(part for part in pattern.split(os.sep) if part)
    start = os.sep if pattern.startswith(os.sep) else base
    pending: list[tuple[str, tuple[str, ...], _Chain]] = [(start, parts, ())]
    while pending:
        path, parts, above = pending.pop()
        if not parts:
            yield path, None
            continue
        part, rest = parts[0], parts[1:]
        if not glob.has_magic(part):
            path = os.path.join(path, part)
            if _may_exist(path):
                pending.append((path, rest, ()))
            continue
        try:
            entries, below = _entries(path, above)
        except NotADirectoryError:
            continue
        except OSError as error:
            yield path, _unreadable(error)
            continue
        if part == ANY_FOLDERS:
            if below == above:
                continue
            if rest:
                folders = [
                    each for each in entries if _is_folder(each) and not is_hidden(each.name)
                ]
                pending += [(each.path, parts, below) for each in reversed(folders)]
            pending.append((path, rest, ()))
        else:
            matched = [each.path for each in entries if is_match(each.name, part)]
            pending += [(path, rest, ()) for path in reversed(matched)]


def is_image_name(name: str) -> bool:
    """Whether folders and globs take a file of this name as an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _entries(folder: str, above: _Chain) -> tuple[list[os.DirEntry[str]], _Chain]:
    """What is in a folder, by name, and the way into it; nothing, and no way, where that loops."""
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return [], above
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name), (*above, identity)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself: as an image, its row will say so.
        return False


def _may_exist(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # Nobody may look: as an image, its row will say so.
        return True
    return True


def is_match(name: str, part: str) -> bool:
    """Whether one part of a glob matches a name; a wildcard matches no dot that begins it."""
    return fnmatch.fnmatchcase(name, part) and (not is_hidden(name) or is_hidden(part))


def is_hidden(name: str) -> bool:
    """Whether folders and globs leave out what is called so."""
    return name.startswith(".")


def _is_below(path: str, folders: set[str]) -> bool:
    while folders and (parent := os.path.dirname(path)) != path:
        if parent in folders:
            return True
        path = parent
    return False


def _unreadable(error: OSError) -> UnreadableListing:
    return UnreadableListing(f"the folder cannot be listed: {error.strerror}")
