"""The bytes behind a URI, within a limit, or the error that says why not."""

import errno
import os
import stat
from io import BufferedReader

from images import uris
from images.errors import (
    FetchError,
    FileTooLarge,
    NotAFile,
    NotFound,
    PermissionDenied,
    ReadFailed,
    UnsupportedScheme,
)

SCHEMES = ("file",)
"""Schemes that can be read; a plain path counts as `file`."""


def fetch(uri: str, max_bytes: int) -> bytes:
    """Read one image whole.

    Args:
        uri: as `images.uris` makes them.
        max_bytes: more than this is refused, before it is read where the size is known.

    Raises:
        FetchError: one of its leaves; nothing else.
    """
    scheme = uris.scheme(uri)
    if scheme not in SCHEMES:
        raise UnsupportedScheme(f"{scheme}:// cannot be read (can: {', '.join(SCHEMES)})")
    return _fetch_file(uri, max_bytes)


def _fetch_file(uri: str, max_bytes: int) -> bytes:
    try:
        with open(uris.to_path(uri), "rb", opener=_open_at_once) as file:
            return _read(file, max_bytes)
    except (OSError, ValueError) as error:
        raise _mapped(error) from error


def _open_at_once(path: str, flags: int) -> int:
    # Opening a pipe would block until somebody writes to it.
    return os.open(path, flags | os.O_NONBLOCK)


def _read(file: BufferedReader, max_bytes: int) -> bytes:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise NotAFile(f"{_kind(status.st_mode)}, not a regular file")
    if status.st_size > max_bytes:
        raise FileTooLarge(f"{status.st_size:,} bytes, over the limit of {max_bytes:,}")
    # Memory for what is there, not for what would be allowed.
    data = file.read(status.st_size + 1)
    if len(data) > status.st_size:
        data += file.read(max_bytes + 1 - len(data))
    if len(data) > max_bytes:
        raise FileTooLarge(f"grew over the limit of {max_bytes:,} bytes while it was read")
    return data


def _mapped(error: OSError | ValueError) -> FetchError:
    """The leaf for an error of the operating system, without the path, which has its column."""
    reason = getattr(error, "strerror", None) or str(error)
    match error:
        case PermissionError():
            return PermissionDenied(reason)
        case IsADirectoryError():
            return NotAFile("folder, not a regular file")
        # A name that no file can have, as one with a NUL byte or a link to itself, has none.
        case ValueError() | OSError(errno=errno.ENOENT | errno.ENOTDIR):
            return NotFound(reason)
        case OSError(errno=errno.ELOOP | errno.ENAMETOOLONG):
            return NotFound(reason)
        case OSError(errno=errno.ENXIO):
            # What opening a socket is answered with.
            return NotAFile("socket or device, not a regular file")
        case _:
            return ReadFailed(reason)


def _kind(mode: int) -> str:
    return "pipe" if stat.S_ISFIFO(mode) else "device"
