"""Write down what a flatbuffer does not state: class names and input range."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.input_options import InputOptions
from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface
from imagebeam.modules.metadata import append_to_flatbuffer, read_from_flatbuffer
from imagebeam.storage.atomic_files import write_file


def annotate(
    path: Path, output: Path, classes: Sequence[str] | None, options: InputOptions
) -> None:
    """Write a copy of the `.tflite` file `path` with metadata to `output`.

    The metadata is `module.json` in a zip archive at the end of the file, with `labels.txt` for
    other programs. Statements that are already there stay, unless they are given.

    Raises:
        ModuleError: a file cannot be read or written, or the statements do not fit the module.
    """
    content, source = read_flatbuffer(path), repr(str(path))
    info = read_interface(content, source, options).info
    metadata = read_from_flatbuffer(content, source)
    if options.channels is not None or len(options.ranges or ()) > 1:
        raise ModuleError(
            f"{source}: a mean for each channel and the order of colours cannot be written down. "
            "Give them as options of each command."
        )
    if options.ranges is not None:
        metadata = replace(metadata, value_range=options.ranges[0])
    names = metadata.classes if classes is None else tuple(classes)
    if names is None and info.class_count is not None:
        names = metadata.class_names(info.class_count, source)
    metadata = replace(metadata, image_size=info.image_size, classes=names, labels={})
    annotated = append_to_flatbuffer(_without_archive(content), metadata)
    read_interface(annotated, repr(str(output)))
    try:
        write_file(output, annotated)
    except OSError as error:
        raise ModuleError(
            f"{str(output)!r}: {error.strerror}. Give a file in a writable directory."
        ) from error


def _without_archive(content: bytes) -> bytes:
    """Cut off the zip archive at the end of a flatbuffer."""
    buffer = io.BytesIO(content)
    if not zipfile.is_zipfile(buffer):
        return content
    with zipfile.ZipFile(buffer) as archive:
        starts = [entry.header_offset for entry in archive.infolist()]
    return content[: min(starts)] if starts else content
