"""List the images in a folder or those that match a glob, in the same order in every run."""

import errno
import fnmatch
import glob
import os
from collections.abc import Iterator

from imagebeam.images.errors import ListingError, UnexpectedListing, UnreadableListing
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.names import (
    SNIFFED_BYTES,
    NameRules,
    is_hidden,
    judge_content,
)
from imagebeam.storage.errors import describe_unexpected
from imagebeam.storage.regular_files import NotRegularError, open_regular

FolderEntry = tuple[str, ListingError | None]
"""The path of an image, or of a folder that cannot be listed with the error."""

_Chain = tuple[tuple[int, int], ...]
"""Device and inode of each folder on the way down: a link that leads back to one is a loop."""

_Pending = tuple[str, tuple[str, ...], _Chain | None]
"""A path, its parts below the input, and the folders above it; None for a file."""

ANY_FOLDERS = "**"
"""The part of a glob that stands for any folders, and for none."""


def walk(folder: str, rules: NameRules, left_out: LeftOut) -> Iterator[FolderEntry]:
    """Yield all images below a folder, by name.

    Links to folders are followed unless they lead back.

    Args:
        folder: its path.
        rules: which names are left out.
        left_out: counts what is not an image. A folder that is left out counts once.
    """
    pending: list[_Pending] = [(folder, (), ())]
    while pending:
        path, parts, above = pending.pop()
        if above is None:
            yield from _file(path, rules, left_out)
            continue
        try:
            pending += _inside(path, parts, above, rules, left_out)
        # One folder that fails must not end the listing of the others.
        except Exception as error:
            yield path, _problem(error)


def _inside(
    folder: str, parts: tuple[str, ...], above: _Chain, rules: NameRules, left_out: LeftOut
) -> list[_Pending]:
    """Return what is in a folder, the last one first, because the last to be added is taken first.

    Args:
        folder: its path.
        parts: the parts of its path below the input.
        above: the folders above it.
        rules: which names are left out.
        left_out: counts those.
    """
    entries, below = _entries(folder, above)
    judged = [(entry, rules.reason_to_skip((*parts, entry.name), entry.name)) for entry in entries]
    if below == above:
        left_out.add_path("link_loop", folder)
    for entry, reason in judged:
        if reason:
            left_out.add_path(reason, entry.path)
    return [
        (entry.path, (*parts, entry.name), below if _is_folder(entry) else None)
        for entry, reason in reversed(judged)
        if not reason
    ]


def expand(pattern: str, base: str, rules: NameRules, left_out: LeftOut) -> Iterator[FolderEntry]:
    """Yield the images that a glob matches, and those below the folders that it matches."""
    walked: set[str] = set()
    for path, error in matches(pattern, base):
        # `**` matches a folder and what is in it: that has been walked already.
        if _is_below(path, walked):
            continue
        name = os.path.basename(path)
        if error is not None:
            yield path, error
            continue
        try:
            reason = rules.reason_to_skip((name,), "" if is_hidden(name) else name)
        except Exception as unexpected:
            yield path, _problem(unexpected)
            continue
        if reason:
            left_out.add_path(reason, path)
        elif os.path.isdir(path):
            walked.add(path)
            yield from walk(path, rules, left_out)
        else:
            yield from _file(path, rules, left_out)


def matches(pattern: str, base: str) -> Iterator[FolderEntry]:
    """Yield what a glob matches, as `glob.glob` does; a relative one starts at folder `base`.

    In contrast to `glob.glob`, folders that cannot be listed are named and links that lead back
    are not followed: two of them would stand for more names than can be counted.
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
        except Exception as error:
            yield path, _problem(error)
            continue
        if part == ANY_FOLDERS:
            if below == above:
                continue
            if rest:
                folders = [
                    entry for entry in entries if _is_folder(entry) and not is_hidden(entry.name)
                ]
                pending += [(entry.path, parts, below) for entry in reversed(folders)]
            pending.append((path, rest, ()))
        else:
            matched = [entry.path for entry in entries if is_match(entry.name, part)]
            pending += [(path, rest, ()) for path in reversed(matched)]


def is_match(name: str, part: str) -> bool:
    """Return whether one part of a glob matches a name; wildcards match no leading dot."""
    return fnmatch.fnmatchcase(name, part) and (not is_hidden(name) or is_hidden(part))


def _file(path: str, rules: NameRules, left_out: LeftOut) -> Iterator[FolderEntry]:
    """Yield a file if it is an image, or else count it."""
    try:
        judgement = _judge_file(path, rules)
    except Exception as error:
        yield path, _problem(error)
        return
    if judgement == "image":
        yield path, None
    elif judgement != "table":
        left_out.add_path(judgement, path)


def _judge_file(path: str, rules: NameRules) -> str:
    judgement = rules.judge_name(os.path.basename(path))
    if judgement != "unknown":
        return judgement
    try:
        descriptor = open_regular(path, os.O_RDONLY)
        try:
            return judge_content(os.read(descriptor, SNIFFED_BYTES))
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotRegularError):
        return "other_kind"
    except OSError as error:
        if error.errno == errno.ELOOP:
            # A link to itself.
            return "other_kind"
        # It may be an image that cannot be read, so it gets a row.
        return "image"


def _entries(folder: str, above: _Chain) -> tuple[list[os.DirEntry[str]], _Chain]:
    """Return the entries of a folder, by name, and the way into it; the same way for a loop."""
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
        # A link to itself: as an image, it gets an error row.
        return False


def _may_exist(path: str) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # It cannot be looked up: as an image, it gets an error row.
        return True
    return True


def _is_below(path: str, folders: set[str]) -> bool:
    while folders and (parent := os.path.dirname(path)) != path:
        if parent in folders:
            return True
        path = parent
    return False


def _problem(error: Exception) -> ListingError:
    if isinstance(error, OSError):
        return UnreadableListing(f"the folder cannot be listed: {error.strerror}")
    return UnexpectedListing(describe_unexpected(error))
