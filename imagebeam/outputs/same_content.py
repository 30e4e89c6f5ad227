"""Images of an output whose bytes are equal: their digests are read back, and counted."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imagebeam.outputs import parts, tfrecord_parts
from imagebeam.storage import AnyPath

DIGEST = "S32"
"""The digest of the bytes of one image, as an array holds it."""

_ROWS_AT_ONCE = 65_536
_EXAMPLES = 3

Digests = npt.NDArray[np.bytes_]


class SameContent(NamedTuple):
    """Images whose bytes are those of another image. All of them have rows.

    Attributes:
        images: their number.
        groups: the number of different contents that they have.
        largest: digest and number of images of the largest groups.
    """

    images: int = 0
    groups: int = 0
    largest: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(digests: Digests) -> "SameContent":
        """Count images by their digests, of all images that can be equal."""
        contents, counts = np.unique(digests, return_counts=True)
        repeated = counts > 1
        found = zip(contents[repeated].tolist(), counts[repeated].tolist(), strict=True)
        # NumPy cuts zeros off at the end.
        named = ((bytes(digest).ljust(32, b"\0").hex(), count) for digest, count in found)
        return SameContent(int(counts[repeated].sum()), int(repeated.sum()), _largest(named))

    @staticmethod
    def total(counts: Iterable["SameContent"]) -> "SameContent":
        """Add up counts of images that cannot be equal, in any order and grouping."""
        found = list(counts)
        largest = _largest(group for each in found for group in each.largest)
        images, groups = sum(each.images for each in found), sum(each.groups for each in found)
        return SameContent(images, groups, largest)

    def as_json(self) -> dict[str, Any]:
        """Return it as `summary.json` holds it."""
        largest = [{"digest": digest, "images": count} for digest, count in self.largest]
        return {"images": self.images, "groups": self.groups, "largest": largest}


def _largest(groups: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(groups, key=lambda group: (-group[1], group[0]))[:_EXAMPLES])


def digests(part: AnyPath, column: str) -> Iterator[Digests]:
    """Yield the digests in one part of an output; images whose bytes were not read have none.

    Raises:
        DamagedPartError: the part cannot be read to its end.
    """
    return parts.readable(part, _digests(part, column))


def _digests(part: AnyPath, column: str) -> Iterator[Digests]:
    if part.suffix == ".tfrecord":
        rows = tfrecord_parts.rows(part)
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            yield _array([row.get(column) for row in some])
        return
    with parts.opened(part) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=[column], use_threads=False):
            yield _array(batch.column(0).to_pylist())


def _array(values: Iterable[str | None]) -> Digests:
    return np.frombuffer(b"".join(bytes.fromhex(each) for each in values if each), DIGEST)
