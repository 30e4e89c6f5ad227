"""Local files and folders that appear under their names complete or not at all.

Each is made under a hidden temporary name beside its final one and renamed at the end. Readers
never see part of it, and a crash leaves what was there before. Temporary names are random and are
created, not opened, so that no prepared link is followed.
"""

import errno
import glob
import os
import re
import shutil
import stat
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_SUFFIX = ".tmp"
_UNIQUE = 32 * "[0-9a-f]"

TEMPORARY = re.compile(rf"\.(.+)\.{_UNIQUE}{re.escape(_SUFFIX)}", re.DOTALL)
"""Matches a temporary name, with the final one as its group."""


@contextmanager
def atomic_file(
    path: Path, place: Callable[[Path, Path], object] = os.replace
) -> Iterator[IO[bytes]]:
    """Yield a file to write to, which gets its name when the block ends without an error.

    Args:
        path: final name.
        place: gives the finished file, its first argument, the final name. `place_new` does
            not replace a file.

    Raises:
        OSError: as the file system reports it, or the name is that of a device; nothing is left
            behind.
    """
    _refuse_device(path)
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            # Otherwise a power cut could leave the new name with missing bytes.
            os.fsync(file.fileno())
        place(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:
        # There is nothing to remove if the folder is missing or is a file.
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)
        raise


def _refuse_device(path: Path) -> None:
    """Refuse to replace a device such as /dev/null, which all programs of the machine use."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    is_link_to_one = stat.S_ISLNK(mode) and path.absolute().parent == _DEVICES
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or is_link_to_one:
        raise OSError(errno.EINVAL, "It is a device, not a file", str(path))


_DEVICES = Path("/dev")


def place_new(temporary: Path, path: Path) -> None:
    """Give a finished file its name, for `atomic_file`; raise FileExistsError if there is one."""
    os.link(temporary, path)
    temporary.unlink()


def write_file(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all: after an OSError nothing is left behind."""
    with atomic_file(path) as file:
        file.write(data)


@contextmanager
def atomic_folder(path: Path, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder, which gets its name when the block ends without an error.

    Args:
        path: final name.
        replace: whether to delete a folder that has the name already.

    Raises:
        OSError: as the file system reports it; nothing is left behind.
    """
    temporary = _temporary(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if replace and path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def leftovers(folder: Path, name: str | None = None) -> Iterator[Path]:
    """Temporary files and folders that a killed process left in a folder.

    Args:
        folder: where to look.
        name: final name of the files to look for; None stands for all.
    """
    return folder.glob(f".{'*' if name is None else glob.escape(name)}.{_UNIQUE}{_SUFFIX}")


def remove_leftovers(path: Path) -> None:
    """Delete what killed processes left of a file or folder that they were making.

    Args:
        path: final name. No other process may be making it.
    """
    for leftover in leftovers(path.parent, path.name):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def remove_leftovers_of(paths: Iterable[Path]) -> None:
    """Delete what killed processes left of files that they were making, with one look per folder.

    Args:
        paths: final names. No other process may be making them.
    """
    names: defaultdict[Path, set[str]] = defaultdict(set)
    for path in paths:
        names[path.parent].add(path.name)
    for folder, own in names.items():
        for leftover in list(leftovers(folder)):
            if (match := TEMPORARY.fullmatch(leftover.name)) and match[1] in own:
                leftover.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make changes to the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{_SUFFIX}")
