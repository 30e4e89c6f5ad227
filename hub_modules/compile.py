"""Compiles a SavedModel to a LiteRT flatbuffer. Needs TensorFlow.

A quantops module becomes a network of 8-bit integers: every tensor is uint8, biases int32. Its
fake quantisation nodes hold the ranges, so nothing is estimated. The input is quantised at the
tensor that enters the first convolution, behind the module's own rescaling, so that pixel bytes go
in as they are. Any other module keeps float32.

Both heads leave one flatbuffer: the converter merges what they share, and the second output costs
0.3 kB and no measurable time.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import tensorflow as tf

from hub_modules.errors import ModuleError
from hub_modules.flatbuffer import open_interpreter
from hub_modules.metadata import Metadata, append_to_flatbuffer
from hub_modules.records import ModuleInfo
from hub_modules.rescaling import NotRescaledError, cut_rescaling
from hub_modules.saved_model import SavedModel, freeze

_PICTURES = "pictures"


class NotCompilableError(ModuleError):
    """LiteRT cannot hold this module; TensorFlow can still run it."""


def compile_saved_model(module: SavedModel) -> bytes:
    """`module` as a flatbuffer with its metadata, any batch size where the module allows it.

    Raises:
        NotCompilableError: it has operations or shapes that LiteRT lacks, or, compiled, it would
            answer otherwise than the module does.
    """
    spec = tf.TensorSpec([module.batch, *module.info.image_size, 3], module.dtype, _PICTURES)
    try:
        frozen = freeze(module.answer, spec)
        convert = _convert_quantops if module.info.quantops else _convert_float
        flatbuffer = convert(frozen.function, module)
    except NotCompilableError:
        raise
    except NotRescaledError as error:
        raise NotCompilableError(str(error)) from error
    except Exception as error:  # the converter raises whatever its passes raise
        reason = " ".join(str(error).split())[:300]
        raise NotCompilableError(f"the LiteRT converter refuses it ({reason})") from error
    return append_to_flatbuffer(flatbuffer, _metadata(module.info, frozen.heads))


def _convert_quantops(frozen: Any, module: SavedModel) -> bytes:
    cut = cut_rescaling(
        frozen.graph.as_graph_def(),
        frozen.inputs[0].op.name,
        module.info.value_range,
        tf.TensorShape([module.batch, *module.info.image_size, 3]),
    )
    deviation = 255 / (cut.high - cut.low)
    flatbuffer = _convert(
        cut.graph,
        cut.input_name,
        frozen,
        inference_type=tf.uint8,
        quantized_input_stats={cut.input_name: (-cut.low * deviation, deviation)},
    )
    tensors = open_interpreter(flatbuffer, module.source).get_tensor_details()
    floats = [each["name"] for each in tensors if each["dtype"] == np.float32]
    if floats:
        raise NotCompilableError(f"{len(floats)} tensors stay float32 (the first is {floats[0]!r})")
    return flatbuffer


def _convert_float(frozen: Any, module: SavedModel) -> bytes:
    flatbuffer = _convert(frozen.graph.as_graph_def(), frozen.inputs[0].op.name, frozen)
    open_interpreter(flatbuffer, module.source)
    return flatbuffer


def _convert(graph: Any, input_name: str, frozen: Any, **settings: Any) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".pb") as file:
        file.write(graph.SerializeToString())
        file.flush()
        converter = tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(
            file.name,
            [input_name],
            [tensor.op.name for tensor in frozen.outputs],
            {input_name: frozen.inputs[0].shape.as_list()},
        )
    for name, value in settings.items():
        setattr(converter, name, value)
    return bytes(converter.convert())


def _metadata(info: ModuleInfo, heads: tuple[str, ...]) -> Metadata:
    return Metadata(
        image_size=info.image_size,
        value_range=info.value_range,
        classes=info.class_names,
        quantops=info.quantops,
        network=info.network,
        provenance=info.provenance,
        outputs={head: position for position, head in enumerate(heads)},
    )
