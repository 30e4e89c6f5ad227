"""Counts of a listing that is under way, kept in the output where any process can read them."""

import re
import time
from collections.abc import Callable
from contextlib import suppress

from imagebeam.outputs.documents import read_document, write_document
from imagebeam.outputs.layout import Layout
from imagebeam.storage import AnyPath, Location

_NAME = re.compile(r"listing-\d+\.json")
_SECONDS = 1.0
_SECONDS_IN_A_STORE = 10.0


class ListingCount:
    """Counts the images of one source, and writes the count now and then.

    A source that is listed in less than that time writes nothing.

    Args:
        source: index of the source.
        clock: gives seconds.
    """

    def __init__(
        self, layout: Layout, source: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = layout.job / f"listing-{source}.json"
        self._clock = clock
        self._pause = _SECONDS_IN_A_STORE if isinstance(self._path, Location) else _SECONDS
        self._next = clock() + self._pause
        self._images = self._found = 0

    def add(self, images: int) -> None:
        """Count more images that were listed."""
        self._images += images
        self._write()

    def found(self, images: int) -> None:
        """Count more images that will be listed: an archive is read to its end first."""
        self._found += images
        self._write()

    def _write(self) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + self._pause
            # The count is only shown: a disk that is full is reported by what needs it.
            with suppress(OSError):
                write_document(self._path, {"images": max(self._images, self._found)})


def listed_images(layout: Layout) -> int:
    """Return the number of images that the sources have counted so far."""
    total = 0
    with suppress(FileNotFoundError):
        for path in layout.job.iterdir():
            if _NAME.fullmatch(path.name):
                # The file may be gone by now, or have been replaced by another program.
                with suppress(OSError, ValueError, LookupError, TypeError, OverflowError):
                    total += int(read_document(path)["images"])
    return total


def forget_listed_images(layout: Layout) -> None:
    """Delete the counts: the plan has the final number."""
    with suppress(FileNotFoundError):
        paths: list[AnyPath] = [*layout.job.iterdir()]
        for path in paths:
            if _NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)
