"""The sources of a job: a copy of standard input, and the limit on their images."""

import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from imagebeam.beam_pipeline.options.label_options import LabelOptions
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


def listed(options: LabelOptions, stdin_copy: Path | None = None) -> tuple[Source, ...]:
    """Return the sources of the inputs that the options name.

    Raises:
        InputError: an input does not exist or cannot be read.
    """
    return inputs.sources(
        options.inputs, stdin_copy, options.access, tuple(options.keep), options.listing_rules
    )


def sources(options: LabelOptions, stdin_copy: Path | None, layout: Layout) -> list[Source]:
    """Return the sources as workers list them: limited, and from where they find standard input.

    Args:
        stdin_copy: a file with what came in on standard input; None if that is no input.
        layout: the layout of the output, which will hold that file.
    """
    version = len(options.keep) if options.check_changed else None
    limited = _limited(listed(options, stdin_copy), options.limit)
    found = [replace(each, columns_before_version=version) for each in limited]
    if stdin_copy is None:
        return found
    copied, placed = (str(stdin_copy),), (str(layout.stdin),)
    return [replace(each, names=placed) if each.names == copied else each for each in found]


def _limited(sources: tuple[Source, ...], limit: int | None) -> tuple[Source, ...]:
    """Cut the sources so that together they list `limit` images."""
    if limit is None:
        return sources
    cut = []
    for source in sources:
        count = sum(1 for _ in itertools.islice(replace(source, is_look=True), limit))
        cut.append(replace(source, limit=count))
        limit -= count
    return tuple(cut)
