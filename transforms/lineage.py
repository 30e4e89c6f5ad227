"""Report to Beam where a job reads and writes, which Dataflow shows as lineage."""

import os

from apache_beam.metrics.metric import Lineage

from imagebeam.images.listing.sources import Source
from imagebeam.outputs.layout import Layout
from imagebeam.storage.secrets import without_secrets
from imagebeam.storage.uris import scheme, to_path

_SYSTEMS = {"gs": "gcs"}
"""Systems whose name in lineage is not the scheme of their addresses."""


def report_source(source: Source) -> None:
    """Report what a source names: a folder, a manifest, a container, images, or a glob's folder.

    Beam keeps about a hundred names of a job and shortens the others to folders.
    """
    names = (source.base,) if source.kind == "glob" and source.base else source.names
    for name in names:
        _add(Lineage.sources(), without_secrets(name))


def report_output(layout: Layout) -> None:
    """Report the folder of an output."""
    _add(Lineage.sinks(), str(layout.root))


def _add(lineage: Lineage, address: str) -> None:
    kind = scheme(address)
    if kind == "file":
        path = os.path.abspath(to_path(address))
        lineage.add("filesystem", "localhost", path, last_segment_sep="/")
        return
    place, _, name = address.partition("://")[2].partition("/")
    segments = (place, name.rstrip("/")) if name else (place,)
    lineage.add(_SYSTEMS.get(kind, kind), *segments, last_segment_sep="/")
