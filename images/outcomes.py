"""What one image ended in, as bytes that go from a decoding process to the one that asked.

Plain bytes and no pickle: a process that a picture has taken over must not be able to run
anything in another.
"""

import struct

import numpy as np

from images.decode import DecodedImage
from images.errors import CODES, ImageError

Outcome = DecodedImage | ImageError

_PICTURE, _ERROR = 0, 1
_HEADER = struct.Struct("<BII")


def pack(outcome: Outcome) -> bytes:
    """The outcome as bytes."""
    if isinstance(outcome, ImageError):
        text = f"{outcome.code}\n{outcome}".encode(errors="backslashreplace")
        return _HEADER.pack(_ERROR, 0, 0) + text
    return _HEADER.pack(_PICTURE, outcome.width, outcome.height) + outcome.pixels.tobytes()


def unpack(message: bytearray, size: tuple[int, int]) -> Outcome:
    """The outcome that was packed.

    Args:
        message: what `pack` gave, or anything else.
        size: (height, width) of the pixels asked for.

    Raises:
        ValueError: the message is nothing that `pack` gives.
    """
    try:
        kind, width, height = _HEADER.unpack_from(message)
        body = memoryview(message)[_HEADER.size :]
        if kind == _PICTURE:
            pixels = np.frombuffer(body, np.uint8).reshape(*size, 3)
            return DecodedImage(pixels, width, height)
        code, _, text = str(body, "utf-8").partition("\n")
        return CODES[code](text)
    except (struct.error, LookupError) as error:
        raise ValueError(f"no outcome: {error}") from error
