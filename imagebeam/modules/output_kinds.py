"""Decide what the outputs of a module are: logits, scores or features."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from imagebeam.modules.errors import ModuleError

if TYPE_CHECKING:
    from imagebeam.modules.several_outputs import SeenOutputs

_T = TypeVar("_T")

LOGITS = "logits"
SCORES = "scores"
FEATURES = "features"
KINDS = (LOGITS, SCORES, FEATURES)
"""The kinds of outputs: before a softmax, after it or after sigmoids, and feature vectors."""

DEFAULT_OUTPUT = "default"

_FEATURE_WORDS = (
    *("feature", "embed", "bottleneck", "pooler_output"),
    # The last layer of `keras.applications` with include_top=False.
    *("global_average_pooling", "global_max_pooling", "avg_pool", "avgpool"),
)
# Outputs with these words in their names hold the same answer as logits, in another form.
_CLASS_WORDS = ("class", "label", "index", "indices", "top_k")
_SCORE_WORDS = ("prob", "softmax", "score")
_DERIVED_WORDS = (*_CLASS_WORDS, *_SCORE_WORDS)
_NOTHING_SEEN: Mapping[str, str] = MappingProxyType({})
_NUMBERS = ("float", "int8", "uint8", "int16")


@dataclass(frozen=True)
class ModuleOutput:
    """An output of a module.

    Attributes:
        shape: its lengths, with that of the batch first and None for a free one; None if unknown.
        other_names: further names by which it is known.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    other_names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return all its names."""
        return (self.name, *self.other_names)

    @property
    def can_be_vector(self) -> bool:
        """Return whether it can hold one vector of numbers per image."""
        if self.shape is None:
            return self.dtype.startswith(_NUMBERS)
        lengths = [length for length in self.shape[1:] if length != 1]
        return bool(self.shape[1:]) and self.dtype.startswith(_NUMBERS) and len(lengths) <= 1

    @property
    def can_be_number(self) -> bool:
        """Return whether it can hold one number per image, without an axis for it."""
        return self.shape == (None,) and self.dtype.startswith(_NUMBERS)


def names_features(*names: str) -> bool:
    """Return whether one of the names of an output is that of a feature vector."""
    return any(word in name.lower() for name in names for word in _FEATURE_WORDS)


def choose_outputs(
    outputs: Sequence[ModuleOutput],
    stated: Mapping[str, str],
    source: str,
    look: "Callable[[], SeenOutputs]",
) -> dict[str, str]:
    """Choose the outputs to use among those of one function; return the name of each by its kind.

    Names do not tell logits from scores, so the output called "logits" may hold scores, unless
    `stated` names it, or there are scores too.

    Args:
        stated: the kind of the outputs to use, by name; empty to decide by names, shapes and graph.
        source: names the function in errors.
        look: reads from the graph what the outputs are, where names and shapes do not decide.

    Raises:
        ModuleError: a stated output is missing, or it is unclear which one to use.
    """
    if stated:
        return {kind: _called(name, outputs, source).name for name, kind in stated.items()}
    vectors = [output for output in outputs if output.can_be_vector]
    usable = vectors or [output for output in outputs if output.can_be_number]
    for output in usable:
        if output.name == DEFAULT_OUTPUT:
            return {LOGITS: output.name}
    features = [output for output in usable if names_features(*output.names)]
    classifying = [output for output in usable if output not in features]
    if len(classifying) > 1:
        classifying = _main_of_several(classifying)
    if not usable:
        raise _unclear(outputs, source)
    by_kind = {FEATURES: features, LOGITS: classifying}
    found = {kind: each.name for kind, chosen in by_kind.items() for each in chosen}
    if len(features) > 1 or len(classifying) > 1:
        seen = look()
        if not (found := seen.kinds([each.name for each in usable])):
            raise _unclear(outputs, source, {each.name: seen.words(each.name) for each in outputs})
    for output in usable:
        if output.name in (found.get(LOGITS), found.get(SCORES)):
            _refuse_listed_classes(output, outputs, source)
    return found


def _called(name: str, outputs: Sequence[ModuleOutput], source: str) -> ModuleOutput:
    for output in outputs:
        if name in output.names:
            return output
    raise ModuleError(
        f"{source} has no output {name!r}. Its outputs are {_listed(outputs)}: give one of them "
        f"with its kind, such as --module-output {outputs[0].name if outputs else 'NAME'}=logits."
    )


def _main_of_several(outputs: Sequence[ModuleOutput]) -> list[ModuleOutput]:
    """Choose among outputs with the same answer: logits, else probabilities, not class numbers."""
    floats = [output for output in outputs if output.dtype.startswith("float")] or outputs
    for words in (("logit",), _SCORE_WORDS):
        found = [output for output in floats if _contains(output, words)]
        others = [output for output in outputs if output not in found]
        if len(found) == 1 and all(_contains(output, _DERIVED_WORDS) for output in others):
            return found
    return list(outputs)


def _refuse_listed_classes(
    chosen: ModuleOutput, outputs: Sequence[ModuleOutput], source: str
) -> None:
    """Refuse the scores of some classes, which another output lists for each image anew.

    Detectors and networks that end in the best few classes have such outputs.
    """
    if _contains(chosen, ("logit",)):
        return
    for other in outputs:
        lists = other is not chosen and _lists_classes(other)
        if lists and _lengths(other.shape) == _lengths(chosen.shape):
            raise ModuleError(
                f"{source}: its output {other.name!r} {_shape(other.shape)} seems to name the "
                f"class of each value in {chosen.name!r} {_shape(chosen.shape)}, so a value "
                "belongs to another class in each image. Give a module with one value for each "
                f"class. If this one has that, give --module-output {chosen.name}=scores."
            )


def _lists_classes(output: ModuleOutput) -> bool:
    if not output.dtype.startswith(_NUMBERS):
        return True
    return _contains(output, _CLASS_WORDS) and not _contains(output, _SCORE_WORDS)


def _lengths(shape: tuple[int | None, ...] | None) -> list[int | None]:
    return [length for length in (shape or ())[1:] if length != 1]


def _contains(output: ModuleOutput, words: Sequence[str]) -> bool:
    return any(word in name.lower() for name in output.names for word in words)


def _unclear(
    outputs: Sequence[ModuleOutput], source: str, seen: Mapping[str, str] = _NOTHING_SEEN
) -> ModuleError:
    if outputs and not any(output.can_be_vector or output.can_be_number for output in outputs):
        return ModuleError(
            f"{source}: its outputs are {_listed(outputs)}, not one vector per image. Give a "
            'module for classification or feature vectors; Keras exports one with pooling="avg".'
        )
    return ModuleError(
        f"{source}: its outputs are {_listed(outputs, seen) or 'missing'}, and it is unclear which "
        "to use. Name those to use with their kinds: --module-output NAME=logits, NAME=scores or "
        "NAME=features, several separated by commas."
    )


def _listed(outputs: Sequence[ModuleOutput], seen: Mapping[str, str] = _NOTHING_SEEN) -> str:
    return "; ".join(
        f"{each.name!r} {_shape(each.shape)}" + (f" ({words})" if words else "")
        for each in outputs
        for words in [seen.get(each.name)]
    )


def _shape(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "of unknown shape"
    return f"[{', '.join('?' if length is None else str(length) for length in shape)}]"


def renamed(values: Mapping[str, _T], kind: str, source: str) -> dict[str, _T]:
    """Return values by kind, with that of "logits" under `kind`; `source` names the module.

    Raises:
        ModuleError: another value is of that kind.
    """
    if kind != LOGITS and {kind, LOGITS} <= {*values}:
        raise ModuleError(
            f"{source}: two of its outputs hold {kind}, and it is unclear which to use. Name one "
            f"with --module-output NAME={kind}."
        )
    return {kind if each == LOGITS else each: value for each, value in values.items()}


def length_of(shape: Sequence[int]) -> int:
    """Return the length of the vectors in an output of `shape`."""
    return math.prod(shape[1:])
