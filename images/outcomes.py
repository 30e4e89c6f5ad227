"""What one image ended in, as bytes that go from a decoding process to the one that asked.

Plain bytes and no pickle: a process that a picture has taken over must not be able to run
anything in another. Pixels do not go this way but through memory that both share.
"""

import struct
from typing import NamedTuple

from images.errors import CODES, ImageError


class Size(NamedTuple):
    """Of an original picture, upright, in pixels."""

    width: int
    height: int


Outcome = Size | ImageError
"""A size says that the pixels are there."""

_PICTURE, _ERROR = 0, 1
_HEADER = struct.Struct("<Bii")


def pack(outcome: Outcome) -> bytes:
    """The outcome as bytes."""
    if isinstance(outcome, ImageError):
        text = f"{outcome.code}\n{outcome}".encode(errors="backslashreplace")
        return _HEADER.pack(_ERROR, 0, 0) + text
    return _HEADER.pack(_PICTURE, *outcome)


def unpack(message: bytearray) -> Outcome:
    """The outcome that was packed.

    Raises:
        ValueError: the message is nothing that `pack` gives.
    """
    try:
        kind, width, height = _HEADER.unpack_from(message)
        if kind == _PICTURE and len(message) == _HEADER.size and min(width, height) > 0:
            return Size(width, height)
        code, _, text = str(message[_HEADER.size :], "utf-8").partition("\n")
        return CODES[code](text)
    except (struct.error, LookupError) as error:
        raise ValueError(f"no outcome: {error}") from error
