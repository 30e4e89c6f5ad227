"""Lets decoding begin while Beam is still being imported, which takes longer than many a shard."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from imagebeam import stderr_redirection
from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.images import uris
from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing import inputs
from imagebeam.images.listing.sources import Source
from imagebeam.images.reading.reader import close_shared_reader, shared_reader
from imagebeam.modules import open_module
from imagebeam.samples import MODULE


@contextmanager
def head_start(options: LabelOptions) -> Iterator[None]:
    """Begin to decode the first images of a new local job, whose steps take them over inside.

    Raises:
        InputError: as the job itself would, which therefore need not try in vain a second time.
        ModuleError: likewise.
    """
    try:
        _take(options)
        yield
    finally:
        # What nobody took over must not pass for what another job asks for.
        close_shared_reader()


def _take(options: LabelOptions) -> None:
    output = options.output
    # To look at what is elsewhere costs requests, and it is not a decoding process that fetches it.
    if options.beam_args or inputs.STDIN in options.inputs or not _are_local(options.inputs):
        return
    # Where rows stand already, nobody knows yet what is left to do.
    if not isinstance(output, Path) or output.exists():
        return
    sources = inputs.sources(options.inputs, None, options.access, tuple(options.keep))
    with stderr_redirection.redirect_library_stderr(Path(os.devnull), options.debug):
        module = open_module(options.module or str(MODULE), options.engine)
    reader = shared_reader(
        options.preprocessing(module.info.image_size),
        options.decode_processes or os.cpu_count() or 1,
        options.decode_limits,
        options.access,
    )
    reader.start()
    reader.read_ahead(islice(_locations(sources), options.limit))


def _are_local(texts: Sequence[str]) -> bool:
    return all(uris.scheme(text) == "file" for text in texts)


def _locations(sources: tuple[Source, ...]) -> Iterator[ImageLocation]:
    """Return the local files at the start of the listing."""
    for source in sources:
        if source.kind == "container" or uris.scheme(source.names[0]) != "file":
            return
        for listed in source:
            if isinstance(listed.location, ImageError):
                continue
            if listed.location.kind or uris.scheme(listed.location.address) != "file":
                return
            yield listed.location
