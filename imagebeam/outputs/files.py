"""Write, look at and remove single files of an output, on this machine or in a store."""

import io
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from imagebeam.storage import AnyPath, Location
from imagebeam.storage.atomic_files import atomic_file, leftovers, sync_folder
from imagebeam.storage.location import Stat


def write_whole(path: AnyPath, data: bytes) -> None:
    """Write a file so that its name never shows part of it, whenever the process dies.

    Raises:
        OSError: as the file system or the store reports it; nothing is left behind.
    """
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: AnyPath) -> Iterator[IO[bytes]]:
    """Yield a file to write to that gets its name when the block ends, and never before.

    The content of an object in a store is held in memory until then.

    Raises:
        OSError: as the file system or the store reports it; nothing is left behind.
    """
    if isinstance(path, Location):
        buffer = io.BytesIO()
        yield buffer
        path.write_bytes(buffer.getvalue())
        return
    with atomic_file(path) as file:
        yield file


def remove(path: AnyPath) -> None:
    """Remove a file if it exists, so that a power cut does not bring it back."""
    if isinstance(path, Location):
        path.unlink(missing_ok=True)
    elif path.exists():
        path.unlink()
        sync_folder(path.parent)


def remove_all(paths: Collection[AnyPath]) -> None:
    """Remove files, so that a power cut does not bring them back.

    Objects are removed in parallel, because each one waits for an answer of the store.
    """
    with ThreadPoolExecutor(_REMOVED_AT_ONCE) as pool:
        for _ in pool.map(remove, (path for path in paths if isinstance(path, Location))):
            pass
    files = [path for path in paths if isinstance(path, Path)]
    for file in files:
        file.unlink(missing_ok=True)
    for folder in {file.parent for file in files}:
        sync_folder(folder)


_REMOVED_AT_ONCE = 16


def stats(folder: AnyPath, parts: Iterable[AnyPath]) -> dict[AnyPath, Stat]:
    """Return bytes and times of parts in a folder, without parts that have just been removed."""
    if isinstance(folder, Location):
        listed: dict[AnyPath, Stat] = dict(folder.stats())
        return {part: listed[part] for part in parts if part in listed}
    found: dict[AnyPath, Stat] = {}
    for part in parts:
        with suppress(FileNotFoundError):
            status = part.stat()
            found[part] = Stat(status.st_size, status.st_mtime)
    return found


def temporaries(folder: AnyPath) -> Iterator[Path]:
    """Yield files in a folder that never got their final name; a store has none."""
    return iter(()) if isinstance(folder, Location) else leftovers(folder)
