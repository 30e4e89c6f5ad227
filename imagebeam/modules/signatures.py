"""Find the signatures of a SavedModel that classify and that compute feature vectors.

The names are those of TF-Hub's common signatures for images
(https://www.tensorflow.org/hub/common_signatures/images): `image_classification` and
`image_feature_vector`, each with the output `default`. For modules without them, `default`,
`serving_default` or the `__call__` of a TF2 module is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.types import FEATURES, LOGITS

_HUB_SIGNATURES = {LOGITS: "image_classification", FEATURES: "image_feature_vector"}
_GENERAL_SIGNATURES = ("default", "serving_default", "__call__")
_DEFAULT_OUTPUT = "default"
_FEATURE_WORDS = (
    *("feature", "embedding", "bottleneck"),
    # The last layer of `keras.applications` with include_top=False.
    *("global_average_pooling", "global_max_pooling", "avg_pool", "avgpool"),
)
# Beside logits, these hold the same answer in another form.
_DERIVED_WORDS = ("prob", "softmax", "class", "label", "index", "indices", "top_k", "score")


@dataclass(frozen=True)
class Spec:
    """A tensor of a signature; `shape` is None when unknown, and a free length in it is None."""

    shape: tuple[int | None, ...] | None
    dtype: str


@dataclass(frozen=True)
class Signature:
    """A function of a SavedModel.

    Attributes:
        call: takes the one input tensor and returns the outputs by name.
    """

    name: str
    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]
    call: Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Head:
    """One output of one signature."""

    signature: Signature
    output: str


def names_features(name: str) -> bool:
    """Tell if the name of an output is one of a feature vector."""
    return any(word in name.lower() for word in _FEATURE_WORDS)


def choose_heads(signatures: Mapping[str, Signature], source: str) -> dict[str, Head]:
    """Choose the heads "logits" and "features" among `signatures` by name; at least one.

    Names do not tell logits from scores, so "logits" may hold scores.

    Raises:
        ModuleError: no signature belongs to an image module; the text lists the signatures.
    """
    heads = {
        head: Head(signatures[name], _main_output(signatures[name], source))
        for head, name in _HUB_SIGNATURES.items()
        if name in signatures
    }
    if heads:
        return heads
    for name in _GENERAL_SIGNATURES:
        if name in signatures:
            return _heads_of(signatures[name], source)
    raise ModuleError(
        f"{source}: its signatures are {sorted(signatures) or 'missing'}, none of "
        f"{[*_HUB_SIGNATURES.values(), *_GENERAL_SIGNATURES]}. Give an image module of TF-Hub."
    )


def _main_output(signature: Signature, source: str) -> str:
    if _DEFAULT_OUTPUT in signature.outputs:
        return _DEFAULT_OUTPUT
    if len(signature.outputs) == 1:
        return next(iter(signature.outputs))
    raise _unclear(signature, source)


def _heads_of(signature: Signature, source: str) -> dict[str, Head]:
    if _DEFAULT_OUTPUT in signature.outputs:
        return {LOGITS: Head(signature, _DEFAULT_OUTPUT)}
    names = list(signature.outputs)
    features = [name for name in names if names_features(name)]
    classifying = [name for name in names if name not in features]
    if len(classifying) > 1:
        classifying = _main_of_several(signature, classifying)
    if len(features) > 1 or len(classifying) > 1 or not names:
        raise _unclear(signature, source)
    chosen = [*((FEATURES, name) for name in features), *((LOGITS, name) for name in classifying)]
    return {kind: Head(signature, name) for kind, name in chosen}


def _main_of_several(signature: Signature, names: Sequence[str]) -> list[str]:
    """Choose among outputs with the same answer: logits, else probabilities, not class numbers."""
    floats = [name for name in names if signature.outputs[name].dtype.startswith("float")]
    for words in (("logit",), ("prob", "softmax", "score")):
        found = [name for name in floats if any(word in name.lower() for word in words)]
        others = [name for name in names if name not in found]
        if len(found) == 1 and all(
            any(word in name.lower() for word in _DERIVED_WORDS) for name in others
        ):
            return found
    return list(names)


def _unclear(signature: Signature, source: str) -> ModuleError:
    return ModuleError(
        f"{source}: signature {signature.name!r} has the outputs {sorted(signature.outputs)}, "
        f"and none is called {_DEFAULT_OUTPUT!r}. Give a module with one classification output."
    )


def check_picture_input(heads: Mapping[str, Head], source: str) -> Spec:
    """Check that all `heads` share one input, a batch of RGB pictures, float32 or uint8.

    Raises:
        ModuleError: the number of inputs, the rank, the channel count or the dtype differs.
    """
    specs = set()
    for head in heads.values():
        inputs = head.signature.inputs
        spec = next(iter(inputs.values())) if len(inputs) == 1 else None
        if spec is None or not _is_picture(spec):
            found = "; ".join(f"{n!r} {s.dtype} {_shape(s)}" for n, s in inputs.items())
            raise ModuleError(
                f"{source}: signature {head.signature.name!r} takes {found or 'nothing'}, not one "
                "batch of RGB pictures (float32 or uint8 [batch, height, width, 3]). "
                "Give an image module."
            )
        specs.add(spec)
    if len(specs) > 1:
        raise ModuleError(
            f"{source}: its signatures take pictures of different kinds "
            f"({'; '.join(sorted(f'{s.dtype} {_shape(s)}' for s in specs))}). "
            "Give a module whose signatures share one input."
        )
    return specs.pop()


def _is_picture(spec: Spec) -> bool:
    shape = spec.shape
    channels_fit = shape is not None and len(shape) == 4 and shape[3] in (3, None)
    return channels_fit and spec.dtype in ("float32", "uint8")


def _shape(spec: Spec) -> str:
    return "of unknown rank" if spec.shape is None else str(list(spec.shape))
