"""Check the interface of a `.tflite` file and describe it as `ModuleInfo`."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.description import decide_size, describe
from imagebeam.modules.errors import OTHER_CHANNELS, ModuleError
from imagebeam.modules.input_ranges import RGB, Range, decide_input
from imagebeam.modules.litert.graph import Graph
from imagebeam.modules.litert.heads import ExposedHeads, expose_heads
from imagebeam.modules.litert.input_facts import input_facts
from imagebeam.modules.litert.interpreters import open_interpreter, refusals, run_once
from imagebeam.modules.litert.outputs import (
    end_of,
    find_outputs,
    has_quantised_scores,
    place_of_classifier,
)
from imagebeam.modules.litert.signatures import Function, choose_function
from imagebeam.modules.litert.tensors import (
    INPUT_DTYPES,
    PixelWriter,
    Tensor,
    pixel_writer,
    tensor_of,
)
from imagebeam.modules.metadata import Metadata, read_from_flatbuffer
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.output_kinds import FEATURES, LOGITS, SCORES, names_features, renamed
from imagebeam.modules.probes import kind_of_classifier, probe_batches
from imagebeam.modules.types import FloatArray, ModuleInfo, Pixels


@dataclass(frozen=True)
class Interface:
    """The input and outputs of a flatbuffer, as `LiteRTEngine` needs them.

    Attributes:
        content: the flatbuffer to run: the file, or a copy with more outputs, see `heads`.
        outputs: the output tensor of each head ("logits", "scores" or "features").
        batch: the fixed length of the batch dimension, None when it is free.
        write_pixels: turns pixels into the input.
    """

    content: bytes
    input: Tensor
    outputs: Mapping[str, Tensor]
    batch: int | None
    info: ModuleInfo
    write_pixels: PixelWriter


def read_flatbuffer(path: Path) -> bytes:
    """Read the `.tflite` file `path`; raise ModuleError if it cannot be read or is empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModuleError(
            f"{str(path)!r}: {error.strerror}. Give a readable .tflite file."
        ) from error
    if not content:
        raise ModuleError(f"{str(path)!r}: an empty file. Fetch or compile it again.")
    return content


def read_interface(content: bytes, source: str, options: ModuleOptions = NO_OPTIONS) -> Interface:
    """Read the interface of the flatbuffer `content`; `source` names it in errors.

    What `options` state wins over the statements of the file.

    Raises:
        ModuleError: LiteRT cannot run it, or it is not an image module with one RGB input.
    """
    with refusals(source):
        return _read_interface(content, source, options)


def _read_interface(content: bytes, source: str, options: ModuleOptions) -> Interface:
    interpreter = open_interpreter(content, source)
    metadata = read_from_flatbuffer(content, source)
    # LiteRT has checked the file, so its graph can be read.
    function = choose_function(content, options.signature or metadata.signature, source)
    if function.content is not content:
        content = function.content
        interpreter = open_interpreter(content, source)
    named = bool(options.outputs or metadata.kinds)
    decided = named or metadata.outputs is not None
    exposed = None if named else _exposed(interpreter, function, metadata, options, source)
    if exposed is not None:
        decided = decided or exposed.decided
        content, metadata = exposed.content, replace(metadata, outputs=exposed.outputs)
        interpreter = open_interpreter(content, source)
    graph = Graph(content)
    details = interpreter.get_input_details()
    picture = _picture_input([tensor_of(each) for each in details], source)
    batch, *_ = (None if length < 0 else int(length) for length in details[0]["shape_signature"])
    size = _image_size(picture, details[0], metadata, options, source)
    known = input_facts(picture, metadata, graph, content, source, function.place)
    facts, contradictions = decide_input(known, options.ranges, options.channels)
    write_pixels = pixel_writer(picture, facts.ranges, facts.channels or RGB)
    batches = probe_batches(size, batch)
    values = _answers(interpreter, picture, write_pixels, batches, source)
    tensors = [tensor_of(each) for each in interpreter.get_output_details()]
    outputs = find_outputs(
        tensors, batches.shape[1], graph, function.output_names, metadata, options, source
    )
    rows = _rows(outputs, values)
    if LOGITS in outputs and SCORES not in outputs and not decided:
        kind = _kind(outputs[LOGITS], rows[LOGITS], graph, metadata, source)
        if kind == FEATURES and exposed is not None:
            # The vector before the last layer of a network that ends in features is not wanted.
            outputs, rows = {LOGITS: outputs[LOGITS]}, {LOGITS: rows[LOGITS]}
        outputs, rows = renamed(outputs, kind, source), renamed(rows, kind, source)

    def rows_with(candidate: Range) -> dict[str, FloatArray]:
        write = pixel_writer(picture, (candidate,), facts.channels or RGB)
        return _rows(outputs, _answers(interpreter, picture, write, batches, source))

    integers = all(each.dtype.kind != "f" for each in (picture, *outputs.values()))
    info = describe(
        *(size, facts, rows, metadata, source),
        rows_with=rows_with,
        options=options,
        contradictions=contradictions,
        takes_bytes=picture.takes_bytes,
        ends_in=end_of(graph, outputs[SCORES]) if SCORES in outputs else None,
        quantops=integers if metadata.quantops is None else metadata.quantops,
    )
    return Interface(content, picture, outputs, batch, info, write_pixels)


def _exposed(
    interpreter: Any,
    function: Function,
    metadata: Metadata,
    options: ModuleOptions,
    source: str,
) -> ExposedHeads | None:
    """Expose more heads of the output that classifies, unless there are features already."""
    stated = metadata.outputs
    tensors = [tensor_of(each) for each in interpreter.get_output_details()]
    names = [*function.output_names.values(), *(each.name for each in tensors)]
    place: int | None = 0
    if stated is not None:
        place = None if FEATURES in stated else stated.get(SCORES, stated.get(LOGITS))
    elif len(tensors) > 1:
        count = int(interpreter.get_input_details()[0]["shape"][0])
        graph = Graph(function.content)
        place = place_of_classifier(tensors, count, graph, function.output_names, options, source)
    if place is None or (exposed := expose_heads(function.content, place)) is None:
        return None
    if exposed.decided:
        return exposed
    if stated is None:
        return None if len(tensors) == 1 and names_features(*names) else exposed
    if len(stated) != 1:
        return None
    [kind] = stated
    return replace(exposed, outputs=renamed(exposed.outputs, kind, source))


def _answers(
    interpreter: Any, picture: Tensor, write_pixels: PixelWriter, batches: Pixels, source: str
) -> dict[int, npt.NDArray[Any]]:
    """Run `interpreter` on batches of pixels; return the values of each output by its index."""
    pictures = picture.pictures(batches.shape[1], batches.shape[2:4])
    values: dict[int, list[npt.NDArray[Any]]] = defaultdict(list)
    for pixels in batches:
        write_pixels(pixels, pictures)
        run_once(interpreter, picture.index, picture.as_input(pictures), source)
        for each in interpreter.get_output_details():
            values[each["index"]].append(interpreter.get_tensor(each["index"]))
    return {index: _joined(each) for index, each in values.items()}


def _joined(batches: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    # An output without axes cannot be joined; it is refused by its shape.
    return np.concatenate(batches) if batches[0].ndim else batches[0]


def _rows(
    outputs: Mapping[str, Tensor], values: Mapping[int, npt.NDArray[Any]]
) -> dict[str, FloatArray]:
    """Return the real values of each head, float32 (N, length)."""
    rows = {kind: values[tensor.index] for kind, tensor in outputs.items()}
    return {
        kind: outputs[kind].dequantise(each.reshape(len(each), -1)) for kind, each in rows.items()
    }


def _kind(output: Tensor, rows: FloatArray, graph: Graph, metadata: Metadata, source: str) -> str:
    if has_quantised_scores(output):
        return SCORES
    named = metadata.class_names(rows.shape[1], source) is not None
    has_sigmoids = any(graph.name(each) == "LOGISTIC" for each in graph.operators)
    return kind_of_classifier(rows, end_of(graph, output), has_sigmoids, named)


def _picture_input(inputs: list[Tensor], source: str) -> Tensor:
    first = inputs[0] if len(inputs) == 1 else None
    fits = first and len(first.shape) == 4 and (first.shape[3] == 3 or first.is_planes)
    if first is None or not fits or first.dtype not in INPUT_DTYPES:
        found = "; ".join(f"{each.name!r} {each.dtype.name} {list(each.shape)}" for each in inputs)
        types = ", ".join(np.dtype(each).name for each in INPUT_DTYPES)
        raise ModuleError(
            f"{source}: its input is {found or 'missing'}, not one batch of RGB pictures "
            f"({types}; [batch, height, width, 3] or [batch, 3, height, width]). {OTHER_CHANNELS}"
        )
    return first


def _image_size(
    picture: Tensor,
    details: Mapping[str, Any],
    metadata: Metadata,
    options: ModuleOptions,
    source: str,
) -> tuple[int, int]:
    first = 2 if picture.is_planes else 1
    height, width = (int(length) for length in details["shape_signature"][first : first + 2])
    fixed = (height, width) if height > 0 and width > 0 else None
    return decide_size(fixed, metadata.image_size, options.image_size, source)
