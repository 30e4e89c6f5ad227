"""Take turns among the decoding processes of a worker to decode large pictures.

Where memory is limited, each of them may decode a picture that takes much of it, but not all of
them at once: the system would kill one of them, or the worker.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that processes share. A process that ends releases it.

    Attributes:
        descriptor: the descriptor of the file behind it, which a child process inherits.
    """

    def __init__(self, most_pixels: int, descriptor: int | None = None) -> None:
        """Create the lock, or take that of the parent.

        Args:
            most_pixels: the most pixels of a picture that needs no turn.
            descriptor: the descriptor of the parent's lock; None creates a new one.
        """
        self._most_pixels = most_pixels
        self.descriptor = os.memfd_create("turns") if descriptor is None else descriptor

    @contextmanager
    def turn(self, pixels: int) -> Iterator[None]:
        """Hold the lock in the block if a picture of so many pixels needs it."""
        if pixels <= self._most_pixels:
            yield
            return
        # Such a lock belongs to the process, and not to the file that all of them inherit.
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)
