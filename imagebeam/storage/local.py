"""Files of this machine, mounted file systems included."""

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagebeam.storage.atomic_files import atomic_file, place_new
from imagebeam.storage.errors import (
    Changed,
    Denied,
    Missing,
    NotAnObject,
    ServerFailed,
    StoreError,
    TooLarge,
    UnexpectedError,
    WrongLength,
    describe_unexpected,
)
from imagebeam.storage.regular_files import NotRegularError, check_regular, open_regular
from imagebeam.storage.types import ObjectInfo, Settings
from imagebeam.storage.uris import to_path


class LocalStore:
    """Local files. A file's version is its time and size."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def info(self, uri: str) -> ObjectInfo:
        """Return what is known of a file."""
        with _translate_errors():
            status = os.stat(to_path(uri))
            check_regular(status.st_mode)
        return ObjectInfo(uri, status.st_size, _version(status), status.st_mtime)

    def read(
        self, uri: str, max_bytes: int, start: int = 0, size: int | None = None, version: str = ""
    ) -> bytes:
        """Read a file or a byte range of it."""
        with _translate_errors(), self.open(uri, version) as file:
            there = os.fstat(file.fileno()).st_size - start if size is None else size
            if there > max_bytes:
                raise TooLarge(f"{there:,} bytes, over the limit of {max_bytes:,}")
            file.seek(start)
            if size is None:
                data = _read_growing(file, max(there, 0), max_bytes)
            else:
                data = file.read(size)
        if size is not None and len(data) < size:
            raise WrongLength(f"{len(data):,} of {size:,} bytes are there")
        return data

    def open(self, uri: str, version: str = "") -> io.BufferedReader:
        """Open a file."""
        with _translate_errors():
            path = to_path(uri)
            file = open(path, "rb", opener=open_regular)  # noqa: SIM115 - it is returned
            if version and version != _version(os.fstat(file.fileno())):
                file.close()
                raise Changed("the file was changed since it was listed")
            return file

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield all files below a folder, by name."""
        with _translate_errors():
            for where, folders, names in os.walk(to_path(prefix)):
                folders.sort()
                for name in sorted(names):
                    yield self.info(os.path.join(where, name))

    def write(self, uri: str, data: bytes, if_version: str | None = None) -> None:
        """Write a whole file, or nothing."""
        path = Path(to_path(uri))

        def place(temporary: Path, final: Path) -> None:
            if if_version == "":
                place_new(temporary, final)
            elif if_version is None or self.info(uri).version == if_version:
                temporary.replace(final)
            else:
                raise Changed("the file was changed meanwhile")

        with _translate_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with atomic_file(path, place) as file:
                    file.write(data)
            except FileExistsError:
                raise Changed("the file is there already") from None

    def remove(self, uri: str) -> None:
        """Remove a file."""
        with _translate_errors():
            Path(to_path(uri)).unlink(missing_ok=True)


def _read_growing(file: io.BufferedReader, expected: int, max_bytes: int) -> bytes:
    # `read` allocates its argument: ask for the expected size, not for the limit.
    data = file.read(expected + 1)
    if len(data) > expected:
        data += file.read(max_bytes + 1 - len(data))
    if len(data) > max_bytes:
        raise TooLarge(f"grew over the limit of {max_bytes:,} bytes while it was read")
    return data


def _version(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise _translated(error) from error


def _translated(error: Exception) -> StoreError:
    reason = getattr(error, "strerror", None) or str(error)
    match error:
        case PermissionError():
            return Denied(reason)
        case IsADirectoryError():
            return NotAnObject("folder, not a regular file")
        case NotRegularError():
            return NotAnObject(str(error))
        case OSError(errno=errno.ENOENT | errno.ENOTDIR | errno.ELOOP | errno.ENAMETOOLONG):
            return Missing(reason)
        case ValueError():
            # A file cannot have such a name, for example one with a NUL byte.
            return Missing(reason)
        case OSError():
            return ServerFailed(reason)
        case _:
            return UnexpectedError(describe_unexpected(error))
