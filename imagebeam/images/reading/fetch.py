"""The bytes of an image, within a limit, or the error that says why not."""

import errno
import os
import stat
from io import BufferedReader

from imagebeam.images import uris
from imagebeam.images.errors import (
    BadMember,
    FetchError,
    FileTooLarge,
    ImageError,
    NotAFile,
    NotFound,
    PermissionDenied,
    ReadFailed,
    UnsupportedScheme,
    WrongBytes,
)
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.store_errors import mapped
from imagebeam.storage import Settings
from imagebeam.storage.local import LocalStore

_LOCAL = LocalStore(Settings())


FetchRequest = ImageLocation | bytes | ImageError
"""A local file or a member of a local tar, bytes fetched already, or the error in fetching them."""


def fetch(request: FetchRequest, max_bytes: int) -> bytes:
    """The bytes of one image.

    Args:
        request: the location, the bytes themselves, or an error.
        max_bytes: more than this is refused, before it is read where the size is known.

    Raises:
        ImageError: a leaf of FetchError, or the error in the request; nothing else.
    """
    match request:
        case bytes():
            return request
        case ImageError():
            raise request
    if (scheme := uris.scheme(request.address)) != "file":
        raise UnsupportedScheme(f"{scheme}:// cannot be read")
    if request.kind is None:
        return _fetch_file(request.address, max_bytes)
    start, size = request.place
    try:
        with mapped():
            return _LOCAL.read(request.address, max_bytes, start, size, request.version)
    except WrongBytes as error:
        raise BadMember(f"the archive ends early: {error}") from error


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
