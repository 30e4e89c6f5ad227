"""Find the outputs of a flatbuffer, and what each of them is."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.graph import Graph
from imagebeam.modules.litert.heads import CONVERTING, LAST_LAYERS, RESHAPING, last_operation
from imagebeam.modules.litert.tensors import DTYPES, Tensor
from imagebeam.modules.metadata import Metadata
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.output_kinds import (
    FEATURES,
    LOGITS,
    SCORES,
    ModuleOutput,
    choose_outputs,
    length_of,
)
from imagebeam.modules.probes import PERCENT, POOLING, SIGMOID, SOFTMAX
from imagebeam.modules.several_outputs import (
    BIAS,
    DENSE,
    FORM,
    SCORING,
    SeenOutput,
    SeenOutputs,
    Step,
)

# The last operation of a network that computes features: no classifier ends in these.
_POOLING = ("MEAN", "REDUCE_MAX", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_NORMALIZATION")
_SCORES = {"LOGISTIC": SIGMOID, "RELU_0_TO_1": SIGMOID, "SOFTMAX": SOFTMAX}
_ROLES: dict[str | None, str] = {
    **dict.fromkeys((*RESHAPING, *CONVERTING), FORM),
    **dict.fromkeys(("LOGISTIC", "SOFTMAX"), SCORING),
    **dict.fromkeys(LAST_LAYERS, DENSE),
}
_ACTIVATIONS = ("RELU", "RELU6", "TANH", "HARD_SWISH", "GELU", "ELU")


def find_outputs(
    tensors: Sequence[Tensor],
    count: int,
    graph: Graph,
    names: Mapping[int, str],
    metadata: Metadata,
    options: ModuleOptions,
    source: str,
) -> dict[str, Tensor]:
    """Return the output of each kind; "logits" may hold scores, unless its kind is known.

    Args:
        tensors: the outputs, in their order, for some pictures.
        count: the number of these pictures.
        names: further names of outputs, see `signatures`.
        metadata: its `module.json`.
        options: they take precedence.
        source: names the flatbuffer in errors.

    Raises:
        ModuleError: an output that is stated is missing, or it is unclear which to use.
    """
    kinds = options.kinds or dict(metadata.kinds)
    if metadata.outputs is not None and not kinds:
        return _placed(tensors, count, metadata.outputs, source)
    chosen = _chosen(tensors, count, graph, names, kinds, options, source)
    for tensor in chosen.values():
        if not _is_vector(tensor, count):
            raise ModuleError(
                f"{source}: its output {tensor.name!r} {tensor.dtype.name} {list(tensor.shape)} is "
                "not one vector per image. Name another with --module-output NAME=logits."
            )
    return chosen


def place_of_classifier(
    tensors: Sequence[Tensor],
    count: int,
    graph: Graph,
    names: Mapping[int, str],
    options: ModuleOptions,
    source: str,
) -> int | None:
    """Return the place of the output that classifies; None if unclear, or if there are features.

    The arguments are those of `find_outputs`.
    """
    try:
        chosen = _chosen(tensors, count, graph, names, {}, options, source)
    except ModuleError:
        return None
    output = chosen.get(SCORES, chosen.get(LOGITS))
    return None if output is None or FEATURES in chosen else [*tensors].index(output)


def _chosen(
    tensors: Sequence[Tensor],
    count: int,
    graph: Graph,
    names: Mapping[int, str],
    kinds: Mapping[str, str],
    options: ModuleOptions,
    source: str,
) -> dict[str, Tensor]:
    outputs = [
        ModuleOutput(
            names.get(each.index) or each.name,
            each.dtype.name,
            (None, *each.shape[1:]) if each.shape[1:] or each.shape == (count,) else each.shape,
            (each.name,) if each.index in names else (),
        )
        for each in tensors
    ]
    by_name = {output.name: each for output, each in zip(outputs, tensors, strict=True)}
    if options.signature is not None:
        outputs = [output for output in outputs if by_name[output.name].index in names]
    chosen = choose_outputs(outputs, kinds, source, lambda: _seen(graph, by_name))
    return {kind: by_name[name] for kind, name in chosen.items()}


def _seen(graph: Graph, tensors: Mapping[str, Tensor]) -> SeenOutputs:
    producers = graph.producers()

    def step_back(tensor: Hashable) -> Step | None:
        operator = producers.get(tensor)  # type: ignore[call-overload]
        name = None if operator is None else graph.name(operator)
        if name == "ADD":
            changing = [each for each in map(int, operator.inputs) if graph.constant(each) is None]
            return (BIAS, changing[0]) if len(changing) == 1 else None
        return (_ROLES[name], int(operator.inputs[0])) if name in _ROLES else None

    return SeenOutputs(
        {name: SeenOutput(each.index, end_of(graph, each)) for name, each in tensors.items()},
        step_back,
    )


def _placed(
    tensors: Sequence[Tensor], count: int, places: Mapping[str, int], source: str
) -> dict[str, Tensor]:
    heads = {head: tensors[place] for head, place in places.items() if 0 <= place < len(tensors)}
    are_vectors = all(_is_vector(each, count) for each in heads.values())
    if not heads or len(heads) != len(places) or not are_vectors:
        found = "; ".join(f"{each.name!r} {list(each.shape)}" for each in tensors)
        raise ModuleError(
            f"{source}: its outputs are {found or 'missing'}, not one vector per image where its "
            f"metadata {dict(places)} says. Give a module for classification or feature vectors."
        )
    return heads


def _is_vector(tensor: Tensor, count: int) -> bool:
    """Return whether an output has one vector, or one number, for each of so many pictures."""
    if len(tensor.shape) == 1 and tensor.shape != (count,):
        return False
    length = length_of(tensor.shape)
    longest = max(tensor.shape[1:], default=1)
    return bool(tensor.shape) and tensor.dtype in DTYPES and length == longest > 0


def end_of(graph: Graph, output: Tensor) -> str | None:
    """Return how the network ends before an output, see `probes`; None if that is not known."""
    last = last_operation(graph, output.index)
    if last is None:
        return None
    if last.name in _SCORES:
        return PERCENT if last.percent else _SCORES[last.name]
    return POOLING if last.name in (*_POOLING, *_ACTIVATIONS) or last.activates else None


def has_quantised_scores(output: Tensor) -> bool:
    """Return whether an output has the scale and zero point of a quantised softmax or sigmoid.

    Its rows need not sum to one, because small probabilities round to 0.
    """
    if not output.scale or output.dtype == np.int16:
        return False
    return output.scale == 1 / 256 and output.zero_point == np.iinfo(output.dtype).min
