"""Small outputs for the tests of `imagebeam.outputs`."""

import errno
import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from imagebeam.outputs import identity, parts
from imagebeam.outputs.account import Plan, Tally, uri_digest
from imagebeam.outputs.layout import Format, Layout
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.outputs.summary import summarise, write_summary
from imagebeam.storage import AnyPath, Location, store_for
from imagebeam.storage.errors import ServerFailed

SCHEMA = PredictionSchema(("labels",), 2, None, {"module": "m"})

IDENTITY = {
    "module": "m",
    "module_digest": "sha256:1",
    "engine": "litert",
    "image_size": [8, 8],
    "resize": "crop",
    "emit": ["labels"],
    "top_k": 2,
    "labels": None,
    "format": "parquet",
}


def labelled(*uris: str) -> pa.Table:
    """Write rows of images whose best class is 1."""
    sides = np.full(len(uris), 8, np.int32)
    scores = np.tile(np.array([0.25, 0.5, 0.25], np.float32), (len(uris), 1))
    return SCHEMA.table(uris, sides, sides, scores, None, None)


def failed(*uris: str, code: str = "not_found", retryable: bool = True) -> pa.Table:
    """Write rows of images that ended in an error."""
    return SCHEMA.errors([(uri, "fetch", code, "message", retryable, ()) for uri in uris])


def claimed(root: AnyPath, kind: Format = "parquet") -> Layout:
    """Return an output folder that is ready for a job."""
    layout = Layout(root, kind)
    identity.claim(layout, IDENTITY | {"format": kind}, overwrite=False)
    return layout


def finish(layout: Layout, labels: Sequence[str], errors: Sequence[str], shards: int) -> None:
    """Write the summary of a first run on these images."""
    uris = [*labels, *errors]
    plan = Plan(
        requested=len(uris),
        seen=len(uris),
        to_do=len(uris),
        rows=len(uris),
        rows_digest=sum(map(uri_digest, uris)) % (1 << 128),
    )
    tally = Tally(shards, len(labels), {"not_found": len(errors)} if errors else {})
    write_summary(layout, summarise(plan, tally, {}))


def rows(layout: Layout) -> tuple[set[str], set[str]]:
    """Return the URIs that are labelled and those that failed; each must occur once."""
    found = (
        [uri for part in layout.prediction_parts() for uri in parts.uris(part)],
        [uri for part in layout.error_parts() for uri in parts.uris(part)],
    )
    assert [len(uris) for uris in found] == [len(set(uris)) for uris in found]
    return set(found[0]), set(found[1])


class _Watch:
    """Counts the changes below a folder, and refuses those beyond a limit."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.left = 0
        # The interpreter never removes a hook: it is added once, and is usually inactive.
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.folder is None or event not in ("open", "os.remove", "os.rename", "os.mkdir"):
            return
        is_read = event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR)
        if is_read or not str(args[0]).startswith(self.folder):
            return
        if self.left == 0:
            raise OSError(errno.EIO, "the storage is gone", str(args[0]))
        self.left -= 1


_watch = functools.cache(_Watch)


@contextmanager
def storage_that_goes_after(
    changes: int, folder: AnyPath, error: Exception | None = None
) -> Iterator[None]:
    """Allow this number of changes below a folder, and none after them.

    To the folder that is as if the process had been killed: not even cleaning up succeeds.

    Args:
        changes: that are allowed.
        folder: local or in a bucket.
        error: that a bucket raises after them; None is its usual one.
    """
    if isinstance(folder, Location):
        with _store_that_goes_after(changes, folder, error or ServerFailed("the storage is gone")):
            yield
        return
    watch = _watch()
    watch.folder, watch.left = str(folder), changes
    try:
        yield
    finally:
        watch.folder = None


@contextmanager
def _store_that_goes_after(changes: int, folder: Location, error: Exception) -> Iterator[None]:
    store = store_for(str(folder))
    number = itertools.count()

    def limited(change: Callable[..., None]) -> Callable[..., None]:
        def changed(uri: str, *arguments: Any, **options: Any) -> None:
            if next(number) >= changes:
                raise error
            change(uri, *arguments, **options)

        return changed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write", limited(store.write))
        patch.setattr(store, "remove", limited(store.remove))
        try:
            yield
        finally:
            patch.undo()
            # The lease of a killed process expires. This process lives on, so it is removed.
            store.remove(str(Layout(folder).lease))


def below(folder: AnyPath) -> dict[str, bytes]:
    """Return the content of every file below a folder, by its relative name."""
    paths = folder.below() if isinstance(folder, Location) else folder.rglob("*")
    return {
        str(path).removeprefix(f"{folder}/"): path.read_bytes()
        for path in paths
        if not isinstance(path, Path) or path.is_file()
    }


CLASSES = ("tabby, tabby cat", "tiger", "=HYPERLINK(1)", "a|b/c <&>", "Katze \u00e4\u00f6")


def named(root: AnyPath, images: dict[str, int], kind: Format = "parquet") -> Layout:
    """Make a complete output of two parts; every image has the class of this index at 0.75."""
    layout = Layout(root, kind)
    identity.claim(layout, IDENTITY | {"format": kind, "top_k": 2}, overwrite=False)
    schema = PredictionSchema(("labels",), 2, CLASSES, {"module": "m"})
    uris = list(images)
    for shard, some in (("1", uris[::2]), ("2", uris[1::2])):
        scores = np.full((len(some), len(CLASSES)), 0.0625, np.float32)
        scores[range(len(some)), [images[uri] for uri in some]] = 0.75
        sides = np.full(len(some), 8, np.int32)
        table = schema.table(some, sides, sides + 1, scores, None, None)
        parts.write_part(layout, shard, table, schema.errors([]))
    finish(layout, uris, [], 2)
    return layout
