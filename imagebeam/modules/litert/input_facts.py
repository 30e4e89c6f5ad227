"""Find out what pictures a flatbuffer expects: their range and the order of their colours."""

from dataclasses import replace

import numpy as np

from imagebeam.modules.families import facts_of_family, facts_of_limits
from imagebeam.modules.input_ranges import (
    ASSUMED,
    CANDIDATES,
    GRAPH,
    HUB_RANGE,
    STATED,
    InputFacts,
    spans,
)
from imagebeam.modules.litert.front import front_of
from imagebeam.modules.litert.graph import Graph
from imagebeam.modules.litert.tensors import Tensor
from imagebeam.modules.litert.tflite_metadata import stated_ranges
from imagebeam.modules.metadata import Metadata

# The limits of a quantised input differ from its range by a step, because they contain 0.
_ONE_STEP = 1.5 / 255
# Few pictures for calibration may miss a quarter of the range.
_ROUGHLY = 0.25


def input_facts(
    picture: Tensor, metadata: Metadata, graph: Graph, content: bytes, source: str, place: int = 0
) -> InputFacts:
    """Return what the flatbuffer `content` shows of its input, or what is assumed of it.

    A quantisation that spans a usual range comes first, then the metadata, the graph, and the
    convention of the family.

    Args:
        picture: the input.
        metadata: its `module.json`.
        content: the flatbuffer.
        source: names it in errors.
        place: the place of the graph among those of the file.

    Raises:
        ModuleError: the metadata is damaged.
    """
    facts = _facts(picture, metadata, graph, content, source, place)
    return replace(facts, channels=metadata.channels or facts.channels)


def states_range(picture: Tensor) -> bool:
    """Return whether each integer that an input takes is one pixel value of a usual range."""
    if not picture.takes_bytes:
        return False
    limits = picture.quantised_range
    return not picture.scale or any(spans(limits, (each,), _ONE_STEP) for each in CANDIDATES)


def _facts(
    picture: Tensor, metadata: Metadata, graph: Graph, content: bytes, source: str, place: int
) -> InputFacts:
    limits = picture.quantised_range if picture.takes_bytes else None
    if limits and states_range(picture):
        return InputFacts((limits,), STATED)
    stated = metadata.input_facts()
    if stated is None and (ranges := stated_ranges(content, source, place)) is not None:
        stated = InputFacts(ranges, STATED)
    if stated is not None:
        if limits is None or spans(limits, stated.ranges, _ROUGHLY):
            return stated
        # A module that was compiled states the range before its own rescaling, which is cut off.
        return InputFacts((limits,), STATED)
    front = front_of(graph)
    limits = limits or front.limits
    usual = limits and facts_of_limits(limits)
    if limits is None and picture.dtype == np.int16 and picture.scale:
        # Sixteen bits hold the largest absolute value of the pictures for calibration.
        largest = picture.quantised_range[1]
        usual = facts_of_limits((0.0, largest)) if largest > 2 else None
    if usual:
        return usual
    if front.range is not None:
        return InputFacts((front.range,), GRAPH, front.channels)
    family = None if front.rescales else facts_of_family(graph.tensor_names())
    if family and (limits is None or spans(limits, family.ranges, _ROUGHLY)):
        return family
    if limits is None:
        return InputFacts((HUB_RANGE,), ASSUMED)
    near = facts_of_limits(limits, _ROUGHLY) or InputFacts((limits,), ASSUMED)
    return replace(near, origin=ASSUMED)
