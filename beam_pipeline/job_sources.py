"""The sources of a job: a copy of standard input, and the limit on their images."""

import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.images.listing import inputs
from imagebeam.images.listing.sources import Source
from imagebeam.outputs.layout import Layout


@contextmanager
def stdin_copy(options: LabelOptions) -> Iterator[Path | None]:
    """Copy standard input to a file if it is an input: workers may read it more than once."""
    if inputs.STDIN not in options.inputs:
        yield None
        return
    with tempfile.NamedTemporaryFile(suffix=".txt") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def moved(source: Source, stdin_copy: Path | None, layout: Layout) -> Source:
    """Return a source that lists the copy of standard input from its place in the output."""
    if stdin_copy is None or source.names != (str(stdin_copy),):
        return source
    return replace(source, names=(str(layout.stdin),))


def limited(sources: tuple[Source, ...], limit: int | None) -> tuple[Source, ...]:
    """Cut the sources so that together they list `limit` images."""
    if limit is None:
        return sources
    cut = []
    for source in sources:
        count = sum(1 for _ in itertools.islice(replace(source, is_look=True), limit))
        cut.append(replace(source, limit=count))
        limit -= count
    return tuple(cut)
