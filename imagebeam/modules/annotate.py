"""Write down what a flatbuffer does not state: class names and input range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface
from imagebeam.modules.metadata import append_to_flatbuffer, read_from_flatbuffer, without_archive
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.storage.atomic_files import write_file


def annotate(
    path: Path, output: Path, classes: Sequence[str] | None, options: ModuleOptions
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
    metadata = metadata.with_options(options)
    names = metadata.classes if classes is None else tuple(classes)
    if names is None and info.class_count is not None:
        names = metadata.class_names(info.class_count, source)
    metadata = replace(metadata, image_size=info.image_size, classes=names, labels={})
    annotated = append_to_flatbuffer(without_archive(content), metadata)
    read_interface(annotated, repr(str(output)))
    try:
        write_file(output, annotated)
    except OSError as error:
        raise ModuleError(
            f"{str(output)!r}: {error.strerror}. Give a file in a writable directory."
        ) from error
