"""The images that a decoding child receives at once, and their outcomes."""

from collections.abc import Sequence
from typing import TypeAlias

from imagebeam.images.errors import DecodeCrash, ImageError, InferenceFailed
from imagebeam.images.reading.fetch import FetchRequest, bytes_held
from imagebeam.images.reading.shared_pixels import SLOTS, SharedPixels

_BATCH_BYTES = 32_000_000
"""Encoded images that a child receives at once: it holds them in memory while it decodes."""

Outcome: TypeAlias = tuple[int, int] | ImageError
"""Width and height of an original picture, or why there is none."""


class DecodedBatch:
    """The outcomes of a batch. Sizes come by shared memory, errors by message.

    Without a task, the last outcome comes by message too; with one, the answers of the task follow.

    Attributes:
        outcomes: the outcomes of the first images of the batch, as many as have arrived.
    """

    def __init__(self, shared: SharedPixels, count: int, with_task: bool) -> None:
        self.outcomes: list[Outcome] = []
        self._shared = shared
        self._count = count
        self._shared_count = count if with_task else count - 1
        shared.sizes[:] = 0
        shared.digests[:] = 0

    def is_complete(self) -> bool:
        """Return whether the outcomes of all images have arrived."""
        return len(self.outcomes) == self._count

    def slots(self) -> list[int]:
        """Return the slots that hold a picture."""
        return [slot for slot, each in enumerate(self.outcomes) if isinstance(each, tuple)]

    def look(self) -> None:
        """Take the sizes of the pictures that are there."""
        for width, height in self._shared.sizes[len(self.outcomes) : self._shared_count].tolist():
            if min(width, height) <= 0:
                break
            self.outcomes.append((width, height))

    def crash(self, what: str) -> ImageError:
        """Return the error of the image on which the child did something unexpected."""
        self.look()
        if self.is_complete():
            return InferenceFailed(f"the process that ran the module {what}")
        return DecodeCrash(f"the decoding process {what}")


def batches(requests: Sequence[FetchRequest]) -> list[list[int]]:
    """Return the rows of the requests, as many together as fit in the slots and in one message."""
    found: list[list[int]] = []
    size = 0
    for row, request in enumerate(requests):
        length = bytes_held(request)
        size += length
        if not found or len(found[-1]) == SLOTS or size > _BATCH_BYTES:
            found.append([])
            size = length
        found[-1].append(row)
    return found
