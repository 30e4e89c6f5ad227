"""Delete the rows of images that were replaced under their names: the next run labels them again.

The column `version`, which --check-changed writes, records what the listing knew of each image:
time and size of a local file, or the version that a store gives to an object.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from imagebeam.outputs import parts
from imagebeam.outputs.digests import DIGEST, Digests, is_in, uri_digests
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.schema import VERSION
from imagebeam.storage import AnyPath

_ROW = np.dtype([("name", DIGEST), ("version", DIGEST)])
_NAMES_AT_ONCE = 65_536


def forget_changed(layout: Layout, listed: Iterable[tuple[str, str | None]]) -> int:
    """Delete the rows whose image has another version now; return their number.

    Images of which either version is unknown keep their rows. `listed` holds the URI and the
    version of each image.
    """
    files = sorted((*layout.prediction_parts(), *layout.error_parts()))
    rows = [_recorded(part) for part in files]
    recorded = np.sort(np.concatenate(rows), order="name") if rows else np.empty(0, _ROW)
    if not len(recorded):
        return 0
    changed = np.unique(np.concatenate(list(_changed(recorded, iter(listed)))))

    def again(table: pa.Table) -> pa.Array:
        return pa.array(is_in(uri_digests(table["uri"].to_pylist()), changed))

    found = zip(files, rows, strict=True)
    return sum(
        parts.forget(part, again) for part, own in found if is_in(own["name"], changed).any()
    )


def _recorded(part: AnyPath) -> npt.NDArray[np.void]:
    """Return the digests of names and versions in one file."""
    [found] = parts.readable(part, _read(part))
    return found


def _read(part: AnyPath) -> Iterator[npt.NDArray[np.void]]:
    found = [np.empty(0, _ROW)]
    with parts.opened(part) as file:
        if VERSION in file.schema_arrow.names:
            for batch in file.iter_batches(columns=["uri", VERSION], use_threads=False):
                pairs = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                known = [(name, version) for name, version in pairs if version is not None]
                found.append(_rows(known))
    yield np.concatenate(found)


def _changed(
    recorded: npt.NDArray[np.void], listed: Iterator[tuple[str, str | None]]
) -> Iterator[Digests]:
    yield np.empty(0, DIGEST)
    while some := list(islice(listed, _NAMES_AT_ONCE)):
        now = _rows([(name, version) for name, version in some if version is not None])
        at = np.minimum(np.searchsorted(recorded["name"], now["name"]), len(recorded) - 1)
        before = recorded[at]
        is_changed = (before["name"] == now["name"]) & (before["version"] != now["version"])
        yield now["name"][is_changed]


def _rows(pairs: list[tuple[str, Any]]) -> npt.NDArray[np.void]:
    rows = np.empty(len(pairs), _ROW)
    rows["name"] = uri_digests(name for name, _ in pairs)
    rows["version"] = uri_digests(str(version) for _, version in pairs)
    return rows
