"""Choose the function of a flatbuffer that is run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.graph import Graph, pack
from imagebeam.modules.signatures import GENERAL_SIGNATURES

_DEFAULT = "serving_default"


@dataclass(frozen=True)
class Function:
    """One function of a flatbuffer.

    Attributes:
        content: a flatbuffer whose first graph it is, because an interpreter runs the first one.
        output_names: the names that its signature gives to outputs, by the index of their tensor.
        place: the place of its graph among those of the file.
    """

    content: bytes
    output_names: Mapping[int, str]
    place: int = 0


def choose_function(content: bytes, stated: str | None, source: str) -> Function:
    """Choose the function that is stated, or else the usual or only one.

    Args:
        content: the flatbuffer.
        stated: the name of a signature; None if nothing states one.
        source: names the flatbuffer in errors.

    Raises:
        ModuleError: it has no such signature, or several and nothing tells which to use.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    found = {
        _text(each.SignatureKey()): each
        for each in (model.SignatureDefs(at) for at in range(model.SignatureDefsLength()))
    }
    available = ", ".join(found)
    if stated is not None and stated not in found:
        fix = f", or give one of {available}" if found else ": it has none"
        raise ModuleError(f"{source}: it has no signature {stated!r}. Leave out --signature{fix}.")
    if not found:
        return Function(content, {})
    only = found if len(found) == 1 else ()
    usual = [name for name in (stated, _DEFAULT, *GENERAL_SIGNATURES, *only) if name in found]
    if not usual:
        raise ModuleError(
            f"{source}: its signatures are {available}, and it is unclear which to use. Name one "
            "with --signature."
        )
    chosen = found[usual[0]]
    outputs = (chosen.Outputs(at) for at in range(chosen.OutputsLength()))
    names = {each.TensorIndex(): _text(each.Name()) for each in outputs}
    place = chosen.SubgraphIndex()
    return Function(_with_first_graph(content, place) if place else content, names, place)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _with_first_graph(content: bytes, place: int) -> bytes:
    """Exchange the first graph of a flatbuffer and the one at `place`."""
    model = Graph(content).model
    graphs = model.subgraphs
    graphs[0], graphs[place] = graphs[place], graphs[0]
    operators = [operator for graph in graphs for operator in graph.operators or ()]
    options = [each for one in operators for each in (one.builtinOptions, one.builtinOptions2)]
    for each in filter(None, (*options, *model.signatureDefs)):
        for name, value in vars(each).items():
            if "subgraph" in name.lower():
                setattr(each, name, _moved(value, place))
    return pack(model)


def _moved(value: Any, place: int) -> Any:
    """Return the new number of a graph, or the new numbers of a list of graphs."""
    if isinstance(value, int):
        return {0: place, place: 0}.get(value, value)
    return None if value is None else [_moved(int(each), place) for each in value]
