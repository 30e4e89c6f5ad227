"""Run an ONNX classifier with ONNX Runtime, which the extra `onnx` installs."""

import importlib.util
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.extras import install_command
from imagebeam.modules.description import decide_size, describe
from imagebeam.modules.errors import OTHER_CHANNELS, ModuleError, reason_of
from imagebeam.modules.families import facts_of_family, facts_of_limits
from imagebeam.modules.input_ranges import (
    ASSUMED,
    GRAPH,
    HUB_RANGE,
    RGB,
    STATED,
    InputFacts,
    Range,
    decide_input,
)
from imagebeam.modules.litert.tensors import PixelWriter, Tensor, pixel_writer
from imagebeam.modules.metadata import Metadata
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.onnx.graph import Graph, read_graph
from imagebeam.modules.onnx.properties import metadata_of
from imagebeam.modules.output_kinds import LOGITS, SCORES, ModuleOutput, choose_outputs, renamed
from imagebeam.modules.probes import kind_of_classifier, probe_batches
from imagebeam.modules.types import FloatArray, Pixels

_DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(int64)": np.dtype(np.int64),
}
_BYTES: Range = (0.0, 255.0)
_BATCH = 8


@dataclass(frozen=True)
class _Input:
    """The picture input of a file.

    Attributes:
        planes: True if the channels come before height and width (NCHW).
        batch: the fixed length of the batch dimension, None when it is free.
        size: (height, width), None when it is free.
    """

    name: str
    dtype: np.dtype[Any]
    planes: bool
    batch: int | None
    size: tuple[int, int] | None

    @property
    def written(self) -> np.dtype[Any]:
        """Return the type in which pictures are written before they get that of the input."""
        return np.dtype(np.uint8 if self.takes_bytes else np.float32)

    @property
    def takes_bytes(self) -> bool:
        """Return whether the input takes pixel bytes, in whatever integers."""
        return self.dtype.kind in "iu"


class OnnxEngine:
    """An engine over one file. One session of a single thread serves all threads of a process.

    Raises:
        ModuleError: ONNX Runtime is not installed or cannot run the file, or it is not an image
            module with one RGB input.
    """

    def __init__(self, content: bytes, source: str, options: ModuleOptions = NO_OPTIONS) -> None:
        _require_libraries(source)
        graph = read_graph(content, source)
        self._session = _open(graph.changed or content, source)
        self._input = _picture_input(self._session.get_inputs(), source)
        metadata = metadata_of(self._session.get_modelmeta().custom_metadata_map)
        metadata = replace(metadata, classes=graph.classes)
        size = decide_size(self._input.size, metadata.image_size, options.image_size, source)
        known = _input_facts(self._input, metadata, graph)
        facts, contradictions = decide_input(known, options.ranges, options.channels)
        channels = facts.channels or RGB
        self._write = self._writer(facts.ranges, channels, size)
        stated = dict(options.outputs)
        batch = self._input.batch
        by_kind = choose_outputs(
            [
                ModuleOutput(each.name, _number(each.type), _per_picture(each.shape, batch))
                for each in self._session.get_outputs()
            ],
            stated,
            source,
            lambda: graph.seen([each.name for each in self._session.get_outputs()]),
        )
        self._names = list(by_kind.values())
        probes = probe_batches(size, self._input.batch).reshape(-1, *size, 3)
        values = self._values(probes, self._write, source)
        rows = dict(zip(by_kind, values, strict=True))
        if LOGITS in rows and SCORES not in rows and not stated:
            named = metadata.class_names(rows[LOGITS].shape[1], source) is not None
            end = graph.end(by_kind[LOGITS])
            kind = kind_of_classifier(rows[LOGITS], end, graph.has_sigmoids, named)
            rows = renamed(rows, kind, source)
        self._kinds = list(rows)
        names = dict(zip(self._kinds, self._names, strict=True))

        def rows_with(candidate: Range) -> dict[str, FloatArray]:
            write = self._writer((candidate,), channels, size)
            return dict(zip(self._kinds, self._values(probes, write, source), strict=True))

        self.info = describe(
            *(size, facts, rows, metadata, source),
            rows_with=rows_with,
            options=options,
            contradictions=contradictions,
            takes_bytes=self._input.takes_bytes,
            ends_in=graph.end(names[SCORES]) if SCORES in names else None,
        )

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0."""
        values = self._values(pixels, self._write, "the module")
        heads = dict(zip(self._kinds, values, strict=True))
        return ModelOutputs.from_heads(heads, self.info.percent)

    def _writer(
        self, ranges: tuple[Range, ...], channels: str, size: tuple[int, int]
    ) -> PixelWriter:
        tensor = Tensor(0, self._input.name, (1, *size, 3), self._input.written, 0, 0)
        return pixel_writer(tensor, ranges, channels)

    def _values(self, pixels: Pixels, write: PixelWriter, source: str) -> list[FloatArray]:
        """Return the rows of each output, float32 (N, length)."""
        batch = self._input.batch or _BATCH
        found: dict[str, list[FloatArray]] = defaultdict(list)
        # An empty batch is run too, because the result needs the length of its rows.
        for start in range(0, max(1, len(pixels)), batch):
            part = pixels[start : start + batch]
            count = self._input.batch or max(1, len(part))
            pictures: npt.NDArray[Any] = np.zeros((count, *pixels.shape[1:]), self._input.written)
            write(part, pictures[: len(part)])
            if self._input.planes:
                pictures = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
            pictures = pictures.astype(self._input.dtype, copy=False)
            try:
                outputs = self._session.run(self._names, {self._input.name: pictures})
            except Exception as error:  # ONNX Runtime has a class of its own for each status
                raise ModuleError(
                    f"{source}: ONNX Runtime cannot run it ({reason_of(error)}). Give a classifier "
                    "for RGB pictures."
                ) from error
            for name, values in zip(self._names, outputs, strict=True):
                lengths = values.shape[1:]
                if len(values) != count or math.prod(lengths) != max(lengths, default=1):
                    raise ModuleError(
                        f"{source}: its output {name!r} has the shape {values.shape}, not one "
                        "vector per picture. Give a module for classification or feature vectors."
                    )
                found[name].append(values.reshape(count, -1)[: len(part)].astype(np.float32))
        return [np.concatenate(found[name]) for name in self._names]


def _require_libraries(source: str) -> None:
    if missing := [each for each in ("onnx", "onnxruntime") if not importlib.util.find_spec(each)]:
        raise ModuleError(
            f"{source}: an ONNX file needs {' and '.join(missing)}, which is not installed. "
            f"Run: {install_command('onnx')}"
        )


def _open(content: bytes, source: str) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    # The engine is called from one thread per core.
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of its own for each status
        raise ModuleError(
            f"{source}: ONNX Runtime cannot load it ({reason_of(error)}). Export it again."
        ) from error


def _input_facts(picture: _Input, metadata: Metadata, graph: Graph) -> InputFacts:
    """Return what a file shows of its input, or what is assumed of it."""
    front = graph.front(picture.name)
    family = None if front.rescales else facts_of_family(graph.names())
    if picture.takes_bytes:
        facts = InputFacts((_BYTES,), STATED)
    elif stated := metadata.input_facts():
        facts = stated
    elif usual := front.limits and facts_of_limits(front.limits):
        facts = usual
    elif front.range is not None:
        facts = InputFacts((front.range,), GRAPH, front.channels)
    else:
        facts = family or InputFacts((HUB_RANGE,), ASSUMED)
    return replace(facts, channels=metadata.channels or facts.channels)


def _picture_input(inputs: list[Any], source: str) -> _Input:
    first = inputs[0] if len(inputs) == 1 else None
    shape = [] if first is None else [_length(each) for each in first.shape]
    planes = shape[1:2] == [3]
    fits = len(shape) == 4 and 3 in (shape[1], shape[3])
    if first is None or not fits or first.type not in _DTYPES:
        found = "; ".join(f"{each.name!r} {each.type} {each.shape}" for each in inputs)
        raise ModuleError(
            f"{source}: its input is {found or 'missing'}, not one batch of RGB pictures (float, "
            "uint8, int32 or int64; [batch, 3, height, width] or [batch, height, width, 3]). "
            f"{OTHER_CHANNELS}"
        )
    height, width = shape[2:] if planes else shape[1:3]
    size = None if height is None or width is None else (height, width)
    return _Input(first.name, _DTYPES[first.type], planes, shape[0], size)


def _length(value: Any) -> int | None:
    """Return the length of a dimension; None for a free one, which has a name."""
    return value if isinstance(value, int) and value > 0 else None


def _per_picture(shape: list[Any], batch: int | None) -> tuple[int | None, ...]:
    """Return the shape of an output, with None for the number of pictures."""
    lengths = tuple(map(_length, shape))
    return (None, *lengths[1:]) if lengths[:1] == (batch,) else lengths


def _number(kind: str) -> str:
    """Return the type of an output, such as "float64" for "tensor(double)"."""
    return kind.removeprefix("tensor(").removesuffix(")").replace("double", "float64")
