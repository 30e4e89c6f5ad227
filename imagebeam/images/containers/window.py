"""A part of a container that was read by itself."""

import io

from imagebeam.images.errors import FileTooLarge

_HEADERS = 1 << 17
"""Bytes of headers that reading a member may take besides its own."""


class Window(io.BytesIO):
    """A part of a file at its position in the file."""

    def __init__(self, data: bytes, start: int) -> None:
        super().__init__(data)
        self._first = start

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position in the file; it must lie in the part."""
        assert whence == io.SEEK_SET
        return super().seek(max(offset - self._first, 0)) + self._first


def check_span(size: int, max_bytes: int) -> None:
    """Raise FileTooLarge if reading a member takes more bytes than it and its headers may have."""
    if size > max_bytes + _HEADERS:
        raise FileTooLarge(f"{size:,} bytes, over the limit of {max_bytes:,}")
