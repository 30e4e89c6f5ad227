"""Lets decoding begin while Beam is still being imported, which takes longer than many a shard."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from beam_pipeline.options import LabelOptions
from hub_modules import open_module
from images import inputs, uris
from images.reader import close_shared_reader, shared_reader
from images.sources import Source
from samples import MODULE


@contextmanager
def head_start(options: LabelOptions) -> Iterator[None]:
    """Begin to decode the first images of a new local job, whose steps take them over inside.

    Whatever is wrong is left to the checks of the job, which say so.
    """
    with suppress(ValueError, OSError):
        _take(options)
    try:
        yield
    finally:
        # What nobody took over must not pass for what another job asks for.
        close_shared_reader()


def _take(options: LabelOptions) -> None:
    output = options.output
    if options.beam_args or inputs.STDIN in options.inputs:
        return
    # Where rows stand already, nobody knows yet what is left to do.
    if not isinstance(output, Path) or output.exists():
        return
    module = open_module(options.module or str(MODULE), options.engine)
    sources = inputs.sources(options.inputs, None, options.access, tuple(options.keep))
    reader = shared_reader(
        options.preprocessing(module.info.image_size),
        options.decode_processes or os.cpu_count() or 1,
        options.decode_limits,
        options.access,
    )
    reader.start()
    reader.read_ahead(islice(_names(sources), options.limit))


def _names(sources: tuple[Source, ...]) -> Iterator[str]:
    """The local files at the start of the listing."""
    for source in sources:
        if source.kind == "container" or uris.scheme(source.names[0]) != "file":
            return
        for listed in source:
            if listed.where is not None:
                return
            if listed.problem is None:
                yield listed.uri
