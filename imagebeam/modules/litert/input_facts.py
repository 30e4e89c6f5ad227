"""Find out what pictures a flatbuffer expects: their range and the order of their colours."""

import numpy as np

from imagebeam.modules.families import facts_of_family
from imagebeam.modules.input_ranges import ASSUMED, GRAPH, STATED, InputFacts, usual_range
from imagebeam.modules.litert.front import front_of
from imagebeam.modules.litert.graph import Graph
from imagebeam.modules.litert.tensors import Tensor
from imagebeam.modules.litert.tflite_metadata import stated_ranges
from imagebeam.modules.metadata import Metadata


def input_facts(
    picture: Tensor, metadata: Metadata, graph: Graph, content: bytes, source: str
) -> InputFacts | None:
    """Return what the flatbuffer `content` shows of its input; None if it shows nothing.

    Its metadata comes first, then its graph, then the convention of its family.

    Args:
        picture: the input.
        metadata: its `module.json`.
        graph: that of the flatbuffer.
        content: the flatbuffer.
        source: names it in errors.

    Raises:
        ModuleError: the metadata is damaged.
    """
    if picture.takes_bytes:
        # A quantisation made from few pictures spans what was in them, not what was meant.
        limits = picture.quantised_range
        known = not picture.scale or usual_range(*limits) or metadata.input_facts()
        return InputFacts((limits,), STATED if known else ASSUMED, metadata.channels)
    if (stated := metadata.input_facts()) is not None:
        return stated
    if (ranges := stated_ranges(content, source)) is not None:
        return InputFacts(ranges, STATED, metadata.channels)
    front = front_of(graph)
    found = front.range
    if found is None and picture.dtype == np.int16 and picture.scale:
        # Sixteen bits hold the largest absolute value of the pictures for calibration.
        largest = picture.quantised_range[1]
        found = usual_range(0.0, largest) if largest > 2 else None
    if found is not None:
        return InputFacts((found,), GRAPH, metadata.channels)
    return None if front.rescales else facts_of_family(graph.tensor_names())
