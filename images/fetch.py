"""The bytes behind a URI, within a limit, or the error that says why not."""

import os
import stat

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
    return _fetch_file(uris.to_path(uri), max_bytes)


def _fetch_file(path: str, max_bytes: int) -> bytes:
    try:
        # Opening a pipe would block until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _mapped(error) from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(f"{_kind(status.st_mode)}, not a regular file")
        if status.st_size > max_bytes:
            raise FileTooLarge(f"{status.st_size:,} bytes, over the limit of {max_bytes:,}")
        try:
            data = file.read(max_bytes + 1)
            # A raw read may return less than the file holds.
            while more := file.read(max_bytes + 1 - len(data)):
                data += more
        except OSError as error:
            raise _mapped(error) from error
    if len(data) > max_bytes:
        raise FileTooLarge(f"grew over the limit of {max_bytes:,} bytes while it was read")
    return data


def _mapped(error: OSError | ValueError) -> FetchError:
    """The leaf for an error of the operating system, without the path, which has its column."""
    reason = getattr(error, "strerror", None) or str(error)
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return NotFound(reason)
        case PermissionError():
            return PermissionDenied(reason)
        case IsADirectoryError():
            return NotAFile("folder, not a regular file")
        case ValueError():
            # A NUL byte in the name: no file can be called that.
            return NotFound(reason)
        case _:
            return ReadFailed(reason)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")
