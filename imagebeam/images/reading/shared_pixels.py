"""Memory that a decoding process and the one that asked it share: that is where pictures go."""

import fcntl
import math
import mmap
import os
import sys
import tempfile

import numpy as np
import numpy.typing as npt

SLOTS = 16
"""Pictures that it holds: as many as a decoding process is given at once."""

_SIZES_BYTES = 2 * SLOTS * 4


class SharedPixels:
    """Room for `SLOTS` pictures of one size.

    Attributes:
        descriptor: of the file behind it, which a child process inherits.
        sizes: int32 (SLOTS, 2), width and height of the originals; 0 where no picture is yet.
        slots: uint8 (SLOTS, H, W, 3).
    """

    def __init__(self, size: tuple[int, int], descriptor: int | None = None) -> None:
        """Make the memory, or map what the parent made.

        Args:
            size: (height, width) of a picture in pixels.
            descriptor: None makes new memory.

        Raises:
            OSError: there is none.
        """
        shape = (SLOTS, *size, 3)
        count = _SIZES_BYTES + math.prod(shape)
        self.descriptor = _new_file(count) if descriptor is None else descriptor
        memory = mmap.mmap(self.descriptor, count)
        self.sizes: npt.NDArray[np.int32] = np.frombuffer(memory, np.int32, 2 * SLOTS)
        self.sizes = self.sizes.reshape(SLOTS, 2)
        self.slots: npt.NDArray[np.uint8] = np.frombuffer(memory, np.uint8, offset=_SIZES_BYTES)
        self.slots = self.slots.reshape(shape)

    def close(self) -> None:
        """Give up the file; the memory goes when nobody looks at it any more."""
        os.close(self.descriptor)


def _new_file(count: int) -> int:
    if sys.platform != "linux":
        with tempfile.TemporaryFile() as file:
            file.truncate(count)
            return os.dup(file.fileno())
    descriptor = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, count)
    # A child that cuts the file short would take the parent down at its next look.
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    return descriptor
