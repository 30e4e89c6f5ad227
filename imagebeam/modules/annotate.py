"""Write down what a module does not state: class names, its input and the kinds of its outputs.

A flatbuffer gets TensorFlow Lite Metadata, which other programs read, and `module.json` in the zip
archive at its end. A SavedModel gets `assets.extra/module.json`, and an ONNX file properties.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from imagebeam.modules import appended_files
from imagebeam.modules.errors import ModuleError, defects_named
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.input_ranges import ASSUMED
from imagebeam.modules.litert.flatbuffer import read_flatbuffer, read_interface
from imagebeam.modules.litert.input_facts import states_range
from imagebeam.modules.litert.signatures import choose_function
from imagebeam.modules.litert.tflite_metadata import stated_ranges
from imagebeam.modules.litert.tflite_metadata_writer import with_tflite_metadata
from imagebeam.modules.metadata import (
    ASSET,
    FLATBUFFER_ASSET,
    LABELS_ENTRY,
    append_to_flatbuffer,
    other_files,
    read_from_flatbuffer,
    read_from_folder,
    render,
)
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.trial import try_file
from imagebeam.modules.types import ONNX_SUFFIX
from imagebeam.storage.atomic_files import write_file


def annotate(
    path: Path, output: Path, classes: Sequence[str] | None, options: ModuleOptions
) -> None:
    """Write a copy of a module with metadata to `output`; earlier statements stay unless given.

    Args:
        path: a `.tflite` or `.onnx` file or the folder of a SavedModel.
        output: the file, which is replaced, or the folder, which must not exist.
        classes: one name per class, index 0 first; None leaves them as they are.
        options: the facts to state.

    Raises:
        ModuleError: a file cannot be read or written, or the statements do not fit the module.
    """
    with defects_named(str(path)):
        if path.is_dir():
            _annotate_folder(path, output, classes, options)
            return
        try_file(path, Cache(), options)
        if path.suffix == ONNX_SUFFIX:
            write_annotated(output, _annotated_onnx(path, classes, options))
            return
        content = annotated(read_flatbuffer(path), classes, options, repr(str(path)))
        read_interface(content, repr(str(output)))
        write_annotated(output, content)


def _annotated_onnx(path: Path, classes: Sequence[str] | None, options: ModuleOptions) -> bytes:
    from imagebeam.modules.engines.onnx import OnnxEngine
    from imagebeam.modules.onnx.properties import with_properties

    content, source = path.read_bytes(), repr(str(path))
    if options.outputs or options.signature:
        raise ModuleError(
            f"{source}: an ONNX file has no property for outputs and signatures. Leave out "
            "--module-output and --signature here, and give them to the other commands."
        )
    if options.ranges is not None and OnnxEngine(content, source, options).info.takes_bytes:
        raise ModuleError(
            f"{source}: its input takes pixel bytes, so it has no other range. Leave out "
            "--input-range, --mean and --std."
        )
    return with_properties(content, classes, options)


def write_annotated(output: Path, content: bytes) -> None:
    """Write or replace a file that a command makes; raise ModuleError if it cannot be written."""
    try:
        write_file(output, content)
    except OSError as error:
        raise ModuleError(
            f"{str(output)!r}: {error.strerror}. Give a file in a writable directory."
        ) from error


def annotated(
    content: bytes, classes: Sequence[str] | None, options: ModuleOptions, source: str
) -> bytes:
    """Return the flatbuffer `content` with metadata; `source` names it in errors.

    Raises:
        ModuleError: the statements do not fit the flatbuffer.
    """
    interface = read_interface(content, source, options)
    info = interface.info
    if options.ranges is not None and states_range(interface.input):
        raise ModuleError(
            f"{source}: its input takes pixel bytes, whose range its quantisation states. Leave "
            "out --input-range, --mean and --std."
        )
    metadata = read_from_flatbuffer(content, source)
    names = metadata.classes if classes is None else tuple(classes)
    if names is None and info.class_count is not None:
        names = metadata.class_names(info.class_count, source)
    metadata = replace(
        metadata.with_options(options), image_size=info.image_size, classes=names, labels={}
    )
    plain = appended_files.without(content)
    place = choose_function(content, metadata.signature, source).place
    others = other_files(content, source)
    if classes is not None:
        # Text files of the author may name other classes.
        others = {name: each for name, each in others.items() if not name.endswith(".txt")}
    if options.ranges is not None or classes is not None:
        known = metadata.input_facts()
        ranges = known.ranges if known else stated_ranges(plain, source, place)
        if interface.input.takes_bytes and info.range_origin != ASSUMED:
            ranges = info.input_ranges
        labels = LABELS_ENTRY if names else None
        plain = with_tflite_metadata(plain, ranges, labels, len(names or ()), place)
    return append_to_flatbuffer(plain, metadata, others)


def _annotate_folder(
    path: Path, output: Path, classes: Sequence[str] | None, options: ModuleOptions
) -> None:
    if output.exists():
        raise ModuleError(f"{str(output)!r}: exists already. Give a folder that does not exist.")
    metadata = read_from_folder(path)
    metadata = metadata.with_options(options)
    if classes is not None:
        metadata = replace(metadata, classes=tuple(classes))
    flatbuffer = path / FLATBUFFER_ASSET
    compiled = flatbuffer.is_file() and options.of_graph == NO_OPTIONS
    try:
        shutil.copytree(path, output, ignore=None if compiled else _without_flatbuffer)
        (output / ASSET).parent.mkdir(exist_ok=True)
        write_file(output / ASSET, render(metadata).encode())
        if compiled:
            try_file(flatbuffer, Cache(), options)
            content = flatbuffer.read_bytes()
            stated = annotated(content, classes, options.of_input, repr(str(flatbuffer)))
            write_file(output / FLATBUFFER_ASSET, stated)
    except OSError as error:
        raise ModuleError(
            f"{str(output)!r}: {error.strerror}. Give a folder in a writable directory."
        ) from error


def _without_flatbuffer(folder: str, names: list[str]) -> list[str]:
    """Leave out a compiled form that states other outputs."""
    return [Path(FLATBUFFER_ASSET).name] if Path(folder).name == Path(ASSET).parent.name else []
