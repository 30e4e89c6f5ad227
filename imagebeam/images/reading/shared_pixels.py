"""Memory shared by a decoding process and its parent, for decoded pictures."""

import fcntl
import math
import mmap
import os
import sys
import tempfile

import numpy as np
import numpy.typing as npt

from imagebeam.images.digests import DIGEST_BYTES

SLOTS = 64
"""Number of pictures that fit. Slots that are never used take no memory."""

_SIZES_BYTES = 2 * SLOTS * 4
_DIGESTS_BYTES = SLOTS * DIGEST_BYTES


class SharedPixels:
    """Room for `SLOTS` pictures of one size.

    Attributes:
        descriptor: the descriptor of the file behind it, which a child process inherits.
        sizes: int32 (SLOTS, 2), width and height of the originals; 0 where no picture is yet.
        digests: uint8 (SLOTS, DIGEST_BYTES), of the encoded images; 0 where there is none.
        slots: uint8 (SLOTS, H, W, 3).
    """

    def __init__(self, size: tuple[int, int], descriptor: int | None = None) -> None:
        """Create the memory, or map the memory of the parent.

        Args:
            size: (height, width) of a picture in pixels.
            descriptor: the descriptor of the parent's memory; None creates new memory.

        Raises:
            OSError: there is not enough memory.
        """
        shape = (SLOTS, *size, 3)
        count = _SIZES_BYTES + _DIGESTS_BYTES + math.prod(shape)
        self.descriptor = _new_file(count) if descriptor is None else descriptor
        memory = mmap.mmap(self.descriptor, count)
        self.sizes: npt.NDArray[np.int32] = np.frombuffer(memory, np.int32, 2 * SLOTS)
        self.sizes = self.sizes.reshape(SLOTS, 2)
        rest: npt.NDArray[np.uint8] = np.frombuffer(memory, np.uint8, offset=_SIZES_BYTES)
        self.digests: npt.NDArray[np.uint8] = rest[:_DIGESTS_BYTES].reshape(SLOTS, DIGEST_BYTES)
        self.slots: npt.NDArray[np.uint8] = rest[_DIGESTS_BYTES:].reshape(shape)

    def close(self) -> None:
        """Close the file. The memory is freed when nothing refers to it."""
        os.close(self.descriptor)


def _new_file(count: int) -> int:
    if sys.platform != "linux":
        with tempfile.TemporaryFile() as file:
            file.truncate(count)
            return os.dup(file.fileno())
    descriptor = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, count)
    # If a child could shorten the file, the next access would end the parent.
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return descriptor
