"""Open local files, and nothing else that a name may stand for: a pipe or a device has no end."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class NotRegularError(ValueError):
    """It is a folder, pipe, socket or device."""


@contextmanager
def regular_file(path: str | Path, flags: int = 0) -> Iterator[IO[bytes]]:
    """Open a file for reading.

    Args:
        flags: further flags of `os.open`.

    Raises:
        NotRegularError: it is something else.
        OSError: it cannot be opened.
    """
    with open(path, "rb", opener=lambda path, own: open_regular(path, own | flags)) as file:
        yield file


def open_regular(path: str, flags: int) -> int:
    """Open a file as `regular_file` does; an opener for `open`."""
    try:
        # Opening a pipe would block until another process opens its other end.
        descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise NotRegularError("socket or device, not a regular file") from error
        raise
    try:
        check_regular(os.fstat(descriptor).st_mode)
    except NotRegularError:
        os.close(descriptor)
        raise
    return descriptor


def check_regular(mode: int) -> None:
    """Raise NotRegularError, which names what it is, for what is not a file."""
    if not stat.S_ISREG(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "pipe" if stat.S_ISFIFO(mode) else "device"
        raise NotRegularError(f"{kind}, not a regular file")
