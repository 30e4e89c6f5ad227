"""Compile a SavedModel to a LiteRT flatbuffer. Needs TensorFlow.

A quantops module becomes a network of 8-bit integers: every tensor is uint8, or int8 if its weights
have one range per channel, and biases are int32. Its fake quantisation nodes hold the ranges, so
nothing is estimated. The input is quantised at the tensor that enters the network, after the
module's own rescaling, so the network takes pixel bytes directly. Layers without ranges stay
float32, such as a new head that was trained on the features of a quantops module. Any other module
stays float32: with dynamic range quantisation the 0.5/160 network took 1.5 ms per image instead of
0.85, and its logits moved by up to 1.3.

One flatbuffer has both heads: the converter merges their common part, and the second output costs
0.3 kB and no measurable time.
"""

import math
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import tensorflow as tf

from imagebeam.modules.engines.litert import LiteRTEngine
from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.input_ranges import ASSUMED
from imagebeam.modules.metadata import append_to_flatbuffer, metadata_of
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.probes import probe_pictures
from imagebeam.modules.tensorflow.freezing import Frozen, freeze
from imagebeam.modules.tensorflow.rescaling import cut_rescaling
from imagebeam.modules.tensorflow.saved_model import SavedModel
from imagebeam.modules.types import FloatArray, Pixels

# A correct compilation of the 0.5/160 module reaches 0.999, one with wrong ranges 0.18.
_LEAST_CORRELATION = 0.8

_PER_CHANNEL = "FakeQuantWithMinMaxVarsPerChannel"

_Convert = Callable[[Frozen, list[int | None], tuple[float, float]], bytes]


class NotCompilableError(ModuleError):
    """LiteRT cannot run this module; TensorFlow still can."""


def compile_saved_model(module: SavedModel) -> bytes:
    """Compile `module` to a flatbuffer with its metadata, for any batch length if possible.

    Raises:
        NotCompilableError: it has operations or shapes that LiteRT does not support, or its
            outputs differ from those of the module after compilation.
    """
    # The converter supports some operations for known shapes only.
    batches = (None, 1) if module.heads.batch is None else (module.heads.batch,)
    converters = (_convert_quantops, _convert_float) if module.info.quantops else (_convert_float,)
    attempts = [(convert, batch) for convert in converters for batch in batches]
    for convert, batch in attempts[:-1]:
        with suppress(NotCompilableError):
            return _compile(module, batch, convert)
    convert, batch = attempts[-1]
    return _compile(module, batch, convert)


def _compile(module: SavedModel, batch: int | None, convert: _Convert) -> bytes:
    shape = [batch, *module.info.image_size, 3]
    spec = tf.TensorSpec(shape, module.heads.dtype, "pictures")
    try:
        frozen = freeze(module.heads.infer, spec)
        flatbuffer = convert(frozen, shape, module.info.value_range)
    except (NotCompilableError, OSError, MemoryError):
        # These are faults of the machine, not of the module, and must not be cached.
        raise
    except Exception as error:  # the converter raises whatever its passes raise
        raise NotCompilableError(f"LiteRT cannot hold it ({reason_of(error)})") from error
    flatbuffer = append_to_flatbuffer(flatbuffer, metadata_of(module.info, frozen.heads))
    check_agreement(module, flatbuffer)
    return flatbuffer


def _convert_quantops(
    frozen: Frozen, shape: list[int | None], value_range: tuple[float, float]
) -> bytes:
    graph = frozen.function.graph.as_graph_def()
    cut = cut_rescaling(graph, frozen.input_name, value_range, shape)
    mean, deviation = _mean_and_deviation(cut.low, cut.high)
    signed = any(node.op == _PER_CHANNEL for node in cut.graph.node)
    return _convert(
        cut.graph,
        {cut.input_name: shape},
        frozen.output_names,
        inference_type=tf.int8 if signed else tf.uint8,
        quantized_input_stats={cut.input_name: (mean - 128 * signed, deviation)},
    )


def _mean_and_deviation(low: float, high: float) -> tuple[int, float]:
    """Return the quantisation (byte - mean) / deviation that maps pixel bytes to [low, high].

    The mean becomes a zero point and must be an integer, so the middle of [-1, 1], 127.5, is not
    possible. It is rounded up while 0 stays exact, which gives 128 and 1/128 as in the published
    flatbuffers. This is as close to the module as an exact scale of 2/255: the mean error of the
    logits is 0.094 and 0.092, at most 4 of their steps in both cases.
    """
    mean = math.floor(-low / (high - low) * 255 + 0.5)
    if not 0 <= mean <= 255:
        raise NotCompilableError(f"its input range {low:g} to {high:g} does not contain 0")
    return mean, mean / -low if mean else 255 / high


def _convert_float(
    frozen: Frozen, shape: list[int | None], value_range: tuple[float, float]
) -> bytes:
    del value_range  # the rescaling stays in the graph
    graph = frozen.function.graph.as_graph_def()
    return _convert(graph, {frozen.input_name: shape}, frozen.output_names)


def _convert(
    graph: Any, inputs: dict[str, list[int | None]], outputs: list[str], **settings: Any
) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".pb") as file:
        file.write(graph.SerializeToString())
        file.flush()
        converter = tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(
            file.name, list(inputs), outputs, inputs
        )
    for name, value in settings.items():
        setattr(converter, name, value)
    return bytes(converter.convert())


def check_agreement(module: SavedModel, flatbuffer: bytes) -> None:
    """Compare the flatbuffer with its module on probe pictures.

    Some networks, such as untrained ones, are so ill-conditioned that rounding alone changes their
    outputs. So the reference is how far the module itself moves when every pixel moves by one.
    """
    pixels = probe_pictures(module.info.image_size, *filter(None, [module.heads.batch]))
    expected, moved = (_outputs(module, each) for each in (pixels, pixels ^ np.uint8(1)))
    # The graph of the flatbuffer may show a range that the module does not show.
    is_assumed = module.info.range_origin == ASSUMED
    options = ModuleOptions(value_range=module.info.value_range if is_assumed else None)
    try:
        found = LiteRTEngine(flatbuffer, "the result", options).run(pixels)
    except (ValueError, RuntimeError) as error:
        raise NotCompilableError(f"LiteRT cannot run it ({reason_of(error)})") from error
    for head in module.heads.by_kind:
        rows: FloatArray = getattr(expected, head)
        agreement = _correlation(getattr(found, head), rows)
        least = _LEAST_CORRELATION * _correlation(getattr(moved, head), rows)
        # A correlation that is not a number is no agreement either.
        if not agreement >= least:
            raise NotCompilableError(
                f"compiled, its {head} would differ from the module's (correlation {agreement:.2f})"
            )


def _outputs(module: SavedModel, pixels: Pixels) -> ModelOutputs:
    heads = module.heads.infer_pixels(tf.constant(pixels))
    values = {head: rows.numpy() for head, rows in heads.items()}
    return ModelOutputs.from_heads(values, module.info.percent)


def _correlation(first: FloatArray, second: FloatArray) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / norm if norm else 0.0
