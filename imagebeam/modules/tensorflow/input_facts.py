"""Find out what pictures a SavedModel expects: their range and the order of their colours."""

from dataclasses import replace

from imagebeam.modules.families import facts_of_family
from imagebeam.modules.input_ranges import ASSUMED, GRAPH, HUB_RANGE, STATED, InputFacts
from imagebeam.modules.metadata import Metadata
from imagebeam.modules.tensorflow.graph_facts import GraphFacts

_RAW_RANGE = (0.0, 255.0)


def input_facts(dtype: str, metadata: Metadata, is_hub: bool, graph: GraphFacts) -> InputFacts:
    """Return what a SavedModel shows of its input, or what is assumed of it.

    Args:
        dtype: the dtype of the input, "float32" or "uint8".
        metadata: its `module.json`.
        is_hub: whether it has the common signatures of TF-Hub, which take pixels in [0, 1].
        graph: what its graph shows.
    """
    facts = _facts(dtype, metadata, is_hub, graph)
    return replace(facts, channels=metadata.channels or facts.channels)


def _facts(dtype: str, metadata: Metadata, is_hub: bool, graph: GraphFacts) -> InputFacts:
    if dtype == "uint8":
        return InputFacts((_RAW_RANGE,), STATED)
    if (stated := metadata.input_facts()) is not None:
        return stated
    if is_hub:
        return InputFacts((HUB_RANGE,), STATED)
    if graph.front.range is not None:
        return InputFacts((graph.front.range,), GRAPH, graph.front.channels)
    family = None if graph.front.rescales else facts_of_family(graph.names)
    return family or InputFacts((HUB_RANGE,), ASSUMED)
