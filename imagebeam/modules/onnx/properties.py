"""Read what the properties of an ONNX file state of its pictures and its classes.

`Image.*` are those of the standard, https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md.
The other names are those that exporters use: Ultralytics, timm and Hugging Face.
"""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from imagebeam.modules.class_lists import names_in
from imagebeam.modules.input_ranges import BGR, RGB, Range
from imagebeam.modules.metadata import Metadata
from imagebeam.modules.module_options import ModuleOptions, ranges_of

_RANGES: dict[str, Range] = {
    "NominalRange_0_255": (0.0, 255.0),
    "Normalized_0_1": (0.0, 1.0),
    "Normalized_1_1": (-1.0, 1.0),
    "NominalRange_16_235": (16.0, 235.0),
}
_RANGE_NAMES = (
    *("Image.NominalPixelRange", "input_range", "value_range", "author"),
    *("mean", "std", "image_mean", "image_std"),
)
_FORMAT = "Image.BitmapPixelFormat"
_CHANNELS = {"Bgr8": BGR, "Rgb8": RGB}
_CLASSES = ("names", "classes", "class_names", "labels", "id2label", "label_names")


def with_properties(content: bytes, classes: Sequence[str] | None, options: ModuleOptions) -> bytes:
    """Return an ONNX file with properties that state facts; they replace earlier ones.

    Args:
        content: the file.
        classes: one name per class; None leaves them as they are.
        options: the facts, none of which is an output or a signature.
    """
    import onnx

    model = onnx.load_model_from_string(content)
    stated = {each.key: each.value for each in model.metadata_props}
    changed: dict[str, Any] = {"input_range": options.value_range, "imgsz": options.image_size}
    changed |= {"mean": options.mean, "std": options.std, "classes": classes}
    replaced = [*_RANGE_NAMES] if options.ranges is not None else []
    replaced += _CLASSES if classes is not None else ()
    stated = {name: value for name, value in stated.items() if name not in replaced}
    stated |= {
        name: json.dumps([*value], ensure_ascii=False)
        for name, value in changed.items()
        if value is not None
    }
    if options.channels is not None:
        stated[_FORMAT] = {value: name for name, value in _CHANNELS.items()}[options.channels]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, stated)
    written: bytes = model.SerializeToString()
    return written


def metadata_of(properties: Mapping[str, str]) -> Metadata:
    """Return what the properties of a file state."""
    one = _RANGES.get(properties.get("Image.NominalPixelRange", ""))
    if one is None and properties.get("author") == "Ultralytics":
        one = (0.0, 1.0)
    pair = _numbers(properties, "input_range", "value_range")
    if len(pair) == 2 and pair[0] < pair[1]:
        one = pair[0], pair[1]
    size = _numbers(properties, "imgsz", "image_size", "input_size")[-2:]
    return Metadata(
        image_size=(int(size[0]), int(size[-1])) if size and min(size) >= 1 else None,
        value_range=one,
        channel_ranges=_normalisation(properties) if one is None else None,
        channels=_CHANNELS.get(properties.get(_FORMAT, "")),
        labels={key: _names(properties[key]) for key in _CLASSES if properties.get(key)},
    )


def _names(text: str) -> tuple[str, ...]:
    try:
        found = names_in(text)
    except ValueError:  # a dictionary of some classes only
        return ()
    return tuple(each.strip() for each in found[0].split(",")) if len(found) == 1 else found


def _normalisation(properties: Mapping[str, str]) -> tuple[Range, ...] | None:
    mean, std = _numbers(properties, "mean", "image_mean"), _numbers(properties, "std", "image_std")
    if not {len(mean), len(std)} <= {1, 3} or min(std) <= 0:
        return None
    # Those who write mean and std for pixels from 0 to 1 have no mean above 1.
    factor = 255 if max(mean) <= 1 else 1
    return ranges_of([each * factor for each in mean], [each * factor for each in std])


def _numbers(properties: Mapping[str, str], *names: str) -> Sequence[float]:
    """Return the numbers of the first of these properties that holds some."""
    for name in names:
        with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            value: Any = ast.literal_eval(properties.get(name, ""))
            found = [value] if isinstance(value, (int, float)) else [*value]
            if found and all(math.isfinite(each) for each in found):
                return found
    return ()
