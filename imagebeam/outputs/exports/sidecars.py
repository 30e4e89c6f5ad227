"""Write labels of images as XMP sidecar files, and remove them again.

A journal in the output records every file and folder before it is made, with the content of a file
that is changed. So everything can be undone, also after the process was killed.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from imagebeam.outputs import lock
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.exports import xmp
from imagebeam.outputs.exports.sidecar_journal import Journal, SidecarChange, SidecarEntry
from imagebeam.outputs.exports.xmp import XmpError
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.reading import Output, Row, Selection
from imagebeam.storage import uris
from imagebeam.storage.atomic_files import atomic_file, place_new, remove_leftovers_of, write_file
from imagebeam.storage.regular_files import regular_file

_GROUP = 512
"""Sidecars per write of the journal."""

_WRITERS = 32

_MOST_BYTES = 16_000_000


@dataclass
class Result:
    """The result of an export that makes files, or of undoing it.

    Attributes:
        done: number of files written, removed or restored.
        unchanged: number of files that were up to date.
        problems: one sentence per image or file that was left alone.
    """

    done: int = 0
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SidecarOptions:
    """Settings for writing sidecars.

    Attributes:
        prefix: first step of hierarchical keywords.
        mirror: folder for the sidecars; None puts them beside the images.
        merge: add keywords to existing sidecars of others, instead of leaving them alone.
    """

    prefix: str = "imagebeam"
    mirror: Path | None = None
    merge: bool = False


def write_sidecars(output: Output, selection: Selection, options: SidecarOptions) -> Result:
    """Write a sidecar `NAME.xmp` per image. Images themselves are never touched.

    Raises:
        OutputError: the output is in a store, has no labels, or another process writes to it.
    """
    journal = Journal(output.layout)
    output.require(selection.columns, "--xmp")
    result = Result()
    with lock.held(output.layout):
        journal.read()
        remove_leftovers_of(map(Path, journal.files))
        rows = output.rows(("uri", *selection.columns))
        changes = (
            change
            for row in rows
            if (change := _change(row, selection, options, journal, result)) is not None
        )
        # Each file waits for the disk, which serves many at once.
        with ThreadPoolExecutor(_WRITERS) as writers:
            while group := list(islice(changes, _GROUP)):
                journal.append(group)
                problems = [problem for problem in writers.map(_apply, group) if problem]
                result.problems += problems
                result.done += len(group) - len(problems)
        selection.check(output)
    return result


def undo_sidecars(layout: Layout) -> Result:
    """Remove what `write_sidecars` made and restore what it changed.

    Files that were changed since by others are left alone and stay in the journal.

    Raises:
        OutputError: nothing is to be undone, or another process writes to the output.
    """
    journal = Journal(layout)
    with lock.held(layout):
        if not journal.read():
            raise OutputError(f"{layout.root}: no sidecars to undo: --xmp has written none.")
        result = Result()
        remove_leftovers_of(map(Path, journal.files))
        for path, entry in list(journal.files.items()):
            try:
                if _revert(path, entry):
                    result.done += 1
                del journal.files[path]
            except XmpError as error:
                result.problems.append(f"{path}: {error}. It was left alone.")
            except OSError as error:
                result.problems.append(f"{path}: {error.strerror or error}. It was left alone.")
        for folder in sorted(journal.folders, key=len, reverse=True):
            with suppress(OSError):
                os.rmdir(folder)
        journal.rewrite()
    return result


def _change(
    row: Row, selection: Selection, options: SidecarOptions, journal: Journal, result: Result
) -> SidecarChange | None:
    """Return the change that an image needs, if any; problems go to the result."""
    if not (classes := selection.classes(row)):
        return None
    uri = row["uri"]
    try:
        path = _sidecar(uri, options.mirror)
        words = xmp.keywords([label for label, _ in classes], options.prefix)
        entry = journal.files.get(path)
        current = _content(path)
        if current is None:
            before, content = None, xmp.document(words)
        elif entry is not None and hashlib.sha256(current).hexdigest() in entry.digests:
            before = entry.before
            content = xmp.document(words) if before is None else xmp.merged(before, words)
        elif entry is not None:
            raise XmpError("it was changed since it was written, so it was left alone")
        elif not options.merge:
            raise XmpError("it exists already. Use --merge to add keywords to it")
        else:
            before, content = current, xmp.merged(current, words)
    except XmpError as error:
        result.problems.append(f"{uri}: {error}.")
        return None
    except OSError as error:
        result.problems.append(f"{uri}: {error.strerror or error}.")
        return None
    if content == current:
        result.unchanged += 1
        return None
    return SidecarChange(path, content, before, current is None, tuple(_missing_folders(path)))


def _sidecar(uri: str, mirror: Path | None) -> str:
    """Return the path of an image's sidecar; raise XmpError if there is no place for one."""
    if mirror is not None:
        plain = uris.to_path(uri) if uris.scheme(uri) == "file" else uri.replace("://", "/", 1)
        steps = [step for step in plain.replace(uris.MEMBER, "/").split("/") if step]
        safe = ["_" if step in (".", "..") else step.replace("\0", "_") for step in steps]
        return f"{os.path.join(mirror, *safe)}.xmp"
    if uris.scheme(uri) != "file" or uris.MEMBER in uri:
        raise XmpError(
            "it is not a file of this machine. Use --xmp-folder to write sidecars elsewhere"
        )
    path = uris.to_path(uri)
    if not os.path.isfile(path):
        raise XmpError("the image no longer exists")
    return f"{path}.xmp"


def _content(path: str) -> bytes | None:
    """Return what is in a sidecar; None if there is none. Links are not followed."""
    try:
        with regular_file(path, os.O_NOFOLLOW) as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise XmpError(f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise XmpError(f"{path} is {error}") from error
    if len(data) > _MOST_BYTES:
        raise XmpError(f"{path} is larger than {_MOST_BYTES:,} bytes")
    return data


def _missing_folders(path: str) -> Iterator[str]:
    """Yield the folders that a sidecar needs and that do not exist, the outermost first."""
    folder = os.path.dirname(path)
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    yield from reversed(missing)


def _apply(change: SidecarChange) -> str:
    """Write a sidecar; return the problem, or an empty text."""
    try:
        os.makedirs(os.path.dirname(change.path), exist_ok=True)
        place = place_new if change.is_new else os.replace
        with atomic_file(Path(change.path), place) as file:
            file.write(change.content)
    except OSError as error:
        fix = ""
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            fix = " Write the sidecars to a folder of their own: --xmp-folder FOLDER."
        return f"{change.path}: {error.strerror or error}.{fix}"
    return ""


def _revert(path: str, entry: SidecarEntry) -> bool:
    """Undo one sidecar, or raise XmpError if others changed it; return whether it changed."""
    current = _content(path)
    if current is None or current == entry.before:
        return False
    if hashlib.sha256(current).hexdigest() not in entry.digests:
        raise XmpError("it was changed since it was written")
    if entry.before is None:
        os.unlink(path)
    else:
        write_file(Path(path), entry.before)
    return True
