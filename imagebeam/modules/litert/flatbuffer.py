"""Check the interface of a `.tflite` file and describe it as `ModuleInfo`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.input_options import (
    ASSUMED,
    BGR,
    FAMILY,
    GRAPH,
    NO_OPTIONS,
    OPTION,
    RGB,
    STATED,
    InputOptions,
    Range,
)
from imagebeam.modules.litert.front import range_of_family, range_of_front
from imagebeam.modules.litert.heads import expose_heads, last_operation
from imagebeam.modules.litert.interpreters import open_interpreter, run_once
from imagebeam.modules.litert.normalisation import stated_value_range
from imagebeam.modules.metadata import Metadata, read_from_flatbuffer
from imagebeam.modules.probe_images import are_independent, are_probabilities, probe_pictures
from imagebeam.modules.signatures import names_features
from imagebeam.modules.types import FEATURES, LOGITS, SCORES, FloatArray, ModuleInfo, Pixels

_DTYPES = (np.uint8, np.int8, np.float32)
_HUB_RANGE = (0.0, 1.0)


@dataclass(frozen=True)
class Tensor:
    """An input or output of a flatbuffer.

    Attributes:
        index: the interpreter's number for it.
        dtype: uint8, int8 or float32.
        scale: with `zero_point`, the affine quantisation `real = (q - zero_point) * scale`; 0 when
            the values are not quantised.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    def dequantise(self, values: npt.NDArray[Any]) -> FloatArray:
        """Convert quantised `values` to real numbers, float32."""
        real = values.astype(np.float32)
        if self.scale:
            real -= np.float32(self.zero_point)
            real *= np.float32(self.scale)
        return real


@dataclass(frozen=True)
class Interface:
    """The input and outputs of a flatbuffer, as `LiteRTEngine` needs them.

    Attributes:
        content: the flatbuffer to run: the file, or a copy with more outputs, see `heads`.
        outputs: the output tensor of each head ("logits", "scores" or "features").
        batch: the fixed length of the batch dimension, None when it is free.
    """

    content: bytes
    input: Tensor
    outputs: Mapping[str, Tensor]
    batch: int | None
    info: ModuleInfo


def read_flatbuffer(path: Path) -> bytes:
    """Read the `.tflite` file `path`.

    Raises:
        ModuleError: it cannot be read, or is empty.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModuleError(
            f"{str(path)!r}: {error.strerror}. Give a readable .tflite file."
        ) from error
    if not content:
        raise ModuleError(f"{str(path)!r}: an empty file. Fetch or compile it again.")
    return content


def read_interface(content: bytes, source: str, options: InputOptions = NO_OPTIONS) -> Interface:
    """Read the interface of the flatbuffer `content`; `source` names it in errors.

    What `options` state wins over the statements of the file.

    Raises:
        ModuleError: LiteRT cannot run it, or it is not an image module with one RGB input.
    """
    interpreter = open_interpreter(content, source)
    metadata = read_from_flatbuffer(content, source)
    places = metadata.outputs
    # LiteRT has checked the file, so its graph can be read.
    if places is None and (exposed := expose_heads(content)) is not None:
        content, places = exposed.content, exposed.outputs
        interpreter = open_interpreter(content, source)
    details = interpreter.get_input_details()
    picture = _picture_input([_tensor(each) for each in details], source)
    batch, *_ = (None if length < 0 else int(length) for length in details[0]["shape_signature"])
    size = _image_size(details[0], metadata, source)
    ranges, origin = _input_ranges(picture, metadata, content, source, options)
    count = batch or len(probe_pictures(size))
    pixels = np.resize(probe_pictures(size), (count, *size, 3))
    pictures = np.empty(pixels.shape, picture.dtype)
    write_pixels(pixels, pictures, ranges, options.channels or RGB)
    run_once(interpreter, picture.index, pictures, source)
    tensors = [_tensor(each) for each in interpreter.get_output_details()]
    outputs = _outputs(tensors, places, source)
    unnamed = outputs.get(LOGITS) if places is None else None
    if unnamed is not None and (
        _are_scores(unnamed, _rows(interpreter, unnamed)) or last_operation(content) == "LOGISTIC"
    ):
        outputs[SCORES] = outputs.pop(LOGITS)
    independent = SCORES in outputs and are_independent(_rows(interpreter, outputs[SCORES]))
    return Interface(
        content=content,
        input=picture,
        outputs=outputs,
        batch=batch,
        info=replace(
            _info(size, ranges[0], picture, outputs, metadata, source),
            channel_ranges=ranges if len(ranges) > 1 else None,
            channels=options.channels or RGB,
            range_origin=origin,
            independent=independent,
            options=options,
        ),
    )


def _rows(interpreter: Any, tensor: Tensor) -> FloatArray:
    values = interpreter.get_tensor(tensor.index)
    return tensor.dequantise(values.reshape(len(values), -1))


def write_pixels(
    pixels: Pixels,
    pictures: npt.NDArray[Any],
    ranges: Range | tuple[Range, ...],
    channels: str = RGB,
) -> None:
    """Write `pixels` to `pictures`, of the same shape and the dtype of an input.

    A uint8 input takes the pixel bytes, an int8 input the bytes shifted by 128, and a float32
    input values in the range, which may differ between channels.
    """
    if channels == BGR:
        pixels = pixels[..., ::-1]
    if pictures.dtype == np.uint8:
        pictures[:] = pixels
    elif pictures.dtype == np.int8:
        np.bitwise_xor(pixels, np.uint8(128), out=pictures.view(np.uint8))
    else:
        bounds = np.asarray(ranges, np.float32)
        low, high = bounds[..., 0], bounds[..., 1]
        np.divide(pixels, np.float32(255), out=pictures)
        if ranges not in (_HUB_RANGE, (_HUB_RANGE,)):
            pictures *= high - low
            pictures += low


def _tensor(details: Mapping[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    return Tensor(
        index=int(details["index"]),
        name=str(details["name"]),
        shape=tuple(int(length) for length in details["shape"]),
        dtype=np.dtype(details["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _picture_input(inputs: list[Tensor], source: str) -> Tensor:
    first = inputs[0] if len(inputs) == 1 else None
    if first is None or len(first.shape) != 4 or first.shape[3] != 3 or first.dtype not in _DTYPES:
        found = "; ".join(f"{each.name!r} {each.dtype.name} {list(each.shape)}" for each in inputs)
        raise ModuleError(
            f"{source}: its input is {found or 'missing'}, not one batch of RGB pictures "
            "(uint8, int8 or float32 [batch, height, width, 3]). Give an image module."
        )
    return first


def _image_size(details: Mapping[str, Any], metadata: Metadata, source: str) -> tuple[int, int]:
    height, width = (int(length) for length in details["shape_signature"][1:3])
    if height > 0 and width > 0:
        return height, width
    if metadata.image_size is None:
        raise ModuleError(
            f"{source}: its input size is dynamic and its metadata states no size. "
            "Compile it again for a fixed size."
        )
    return metadata.image_size


def _input_ranges(
    picture: Tensor, metadata: Metadata, content: bytes, source: str, options: InputOptions
) -> tuple[tuple[Range, ...], str]:
    """Return the range of the input, one for all channels or one for each, and its origin."""
    if picture.dtype != np.float32:
        if options.ranges is not None:
            raise ModuleError(
                f"{source}: its input takes pixel bytes, so it has no other range. Leave out "
                "--input-range, --mean and --std."
            )
        if not picture.scale:
            return ((0.0, 255.0),), STATED
        first = np.iinfo(picture.dtype).min
        low, high = picture.dequantise(np.array([first, first + 255], np.int16)).tolist()
        return ((low, high),), STATED
    if options.ranges is not None:
        return options.ranges, OPTION
    stated = metadata.value_range or stated_value_range(content, source)
    if stated is not None:
        return (stated,), STATED
    if (found := range_of_front(content)) is not None:
        return (found,), GRAPH
    if (convention := range_of_family(content)) is not None:
        return (convention,), FAMILY
    return (_HUB_RANGE,), ASSUMED


def _outputs(
    outputs: list[Tensor], places: Mapping[str, int] | None, source: str
) -> dict[str, Tensor]:
    if places is None:
        heads = {FEATURES if names_features(each.name) else LOGITS: each for each in outputs}
        fits = len(heads) == len(outputs)
    else:
        heads = {
            head: outputs[place] for head, place in places.items() if 0 <= place < len(outputs)
        }
        fits = len(heads) == len(places)
    if not heads or not fits or not all(map(_is_vector, heads.values())):
        found = "; ".join(f"{each.name!r} {list(each.shape)}" for each in outputs)
        place = "" if places is None else f" where its metadata {dict(places)} says"
        raise ModuleError(
            f"{source}: its outputs are {found or 'missing'}, not one vector per image{place}. "
            "Give a module for classification or feature vectors."
        )
    return heads


def _is_vector(tensor: Tensor) -> bool:
    _, *lengths = tensor.shape or (0,)
    return bool(lengths) and tensor.dtype in _DTYPES and math.prod(lengths) == max(lengths) > 0


def _are_scores(output: Tensor, rows: npt.NDArray[Any]) -> bool:
    if output.scale:
        # Only softmax and sigmoid always have this scale and zero point at their quantised output.
        # The rows of a softmax need not sum to one, because small probabilities round to 0.
        return output.scale == 1 / 256 and output.zero_point == np.iinfo(output.dtype).min
    return are_probabilities(rows)


def _info(
    size: tuple[int, int],
    value_range: tuple[float, float],
    picture: Tensor,
    outputs: Mapping[str, Tensor],
    metadata: Metadata,
    source: str,
) -> ModuleInfo:
    classifier = outputs.get(LOGITS) or outputs.get(SCORES)
    class_count = None if classifier is None else math.prod(classifier.shape[1:])
    if class_count == 1 and SCORES in outputs:
        # One sigmoid separates two classes.
        class_count = 2
    integers = all(each.dtype != np.float32 for each in (picture, *outputs.values()))
    return ModuleInfo(
        image_size=size,
        value_range=value_range,
        heads=frozenset(outputs) | ({SCORES} if LOGITS in outputs else set()),
        class_count=class_count,
        feature_length=math.prod(outputs[FEATURES].shape[1:]) if FEATURES in outputs else None,
        class_names=None if class_count is None else metadata.class_names(class_count, source),
        quantops=integers if metadata.quantops is None else metadata.quantops,
        network=metadata.network,
        provenance=metadata.provenance,
    )
