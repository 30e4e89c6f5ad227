"""Find the signatures of a SavedModel that classify and that compute feature vectors.

The names are those of TF-Hub's common signatures for images
(https://www.tensorflow.org/hub/common_signatures/images): `image_classification` and
`image_feature_vector`, each with the output `default`. For modules without them, `default`,
`serving_default`, the `__call__` of a TF2 module, or the only one that takes pictures is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imagebeam.modules.errors import OTHER_CHANNELS, ModuleError
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.output_kinds import FEATURES, LOGITS, ModuleOutput, choose_outputs
from imagebeam.modules.several_outputs import NOTHING_SEEN, SeenOutputs

HUB_SIGNATURES = {LOGITS: "image_classification", FEATURES: "image_feature_vector"}
GENERAL_SIGNATURES = ("default", "serving_default", "__call__")
_PICTURES = ("float32", "float16", "bfloat16", "float64", "uint8", "int32", "int64")


@dataclass(frozen=True)
class Spec:
    """A tensor of a signature; `shape` is None when unknown, and a free length in it is None."""

    shape: tuple[int | None, ...] | None
    dtype: str

    @property
    def is_picture(self) -> bool:
        """Return whether it can hold a batch of RGB pictures."""
        shape = self.shape
        fits = shape is not None and len(shape) == 4 and (shape[3] in (3, None) or self.is_planes)
        return fits and self.dtype in _PICTURES

    @property
    def is_planes(self) -> bool:
        """Return whether the channels of its pictures come before height and width."""
        return self.shape is not None and self.shape[1:2] == (3,) and self.shape[3:] != (3,)


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


Look = Callable[[Signature], SeenOutputs]
"""Reads from the graph of a signature what its outputs are."""


def choose_heads(
    signatures: Mapping[str, Signature],
    source: str,
    options: ModuleOptions = NO_OPTIONS,
    look: Look = lambda signature: NOTHING_SEEN,
) -> dict[str, Head]:
    """Choose the heads "logits", "scores" and "features" among `signatures`; at least one.

    Names do not tell logits from scores, so "logits" may hold scores unless `options` state it, or
    there are scores too.

    Raises:
        ModuleError: no signature belongs to an image module; the text lists the signatures.
    """
    if options.signature is not None:
        if options.signature not in signatures:
            raise ModuleError(
                f"{source}: it has no signature {options.signature!r}. Give one of its signatures "
                f"with --signature: {', '.join(sorted(signatures))}."
            )
        return _heads_of(signatures[options.signature], source, options, look)
    taking_pictures = {name: each for name, each in signatures.items() if _takes_pictures(each)}
    usable = taking_pictures or signatures
    if not options.outputs and any(name in usable for name in HUB_SIGNATURES.values()):
        return {
            kind: head
            for name in HUB_SIGNATURES.values()
            if name in usable
            for kind, head in _heads_of(usable[name], source, options, look).items()
        }
    names = [name for name in (*HUB_SIGNATURES.values(), *GENERAL_SIGNATURES) if name in usable]
    if not names and len(usable) == 1:
        names = list(usable)
    if not names:
        raise ModuleError(
            f"{source}: its signatures are {sorted(signatures) or 'missing'}, none of "
            f"{[*HUB_SIGNATURES.values(), *GENERAL_SIGNATURES]}. Give an image module of TF-Hub, "
            "or name the signature to run with --signature."
        )
    fitting = [name for name in names if {*options.kinds} <= {*usable[name].outputs}]
    return _heads_of(usable[(fitting or names)[0]], source, options, look)


def _heads_of(
    signature: Signature, source: str, options: ModuleOptions, look: Look
) -> dict[str, Head]:
    outputs = [
        ModuleOutput(name, spec.dtype, spec.shape) for name, spec in signature.outputs.items()
    ]
    described = f"{source}: signature {signature.name!r}"
    chosen = choose_outputs(outputs, options.kinds, described, lambda: look(signature))
    if signature.name == HUB_SIGNATURES[FEATURES] and not options.outputs:
        chosen = {FEATURES: next(iter(chosen.values()))}
    return {kind: Head(signature, name) for kind, name in chosen.items()}


def _takes_pictures(signature: Signature) -> bool:
    inputs = [*signature.inputs.values()]
    return len(inputs) == 1 and inputs[0].is_picture


def check_picture_input(heads: Mapping[str, Head], source: str) -> Spec:
    """Check that all `heads` share one input, a batch of RGB pictures.

    Raises:
        ModuleError: the number of inputs, the rank, the channel count or the dtype differs.
    """
    specs = set()
    for head in heads.values():
        inputs = head.signature.inputs
        spec = next(iter(inputs.values())) if len(inputs) == 1 else None
        if spec is None or not spec.is_picture:
            found = "; ".join(f"{n!r} {s.dtype} {_shape(s)}" for n, s in inputs.items())
            raise ModuleError(
                f"{source}: signature {head.signature.name!r} takes {found or 'nothing'}, not one "
                f"batch of RGB pictures ({' or '.join(_PICTURES)}, [batch, height, width, 3] or "
                f"[batch, 3, height, width]). {OTHER_CHANNELS}"
            )
        specs.add(spec)
    if len(specs) > 1:
        raise ModuleError(
            f"{source}: its signatures take pictures of different kinds "
            f"({'; '.join(sorted(f'{s.dtype} {_shape(s)}' for s in specs))}). "
            "Give a module whose signatures share one input."
        )
    return specs.pop()


def _shape(spec: Spec) -> str:
    return "of unknown rank" if spec.shape is None else str(list(spec.shape))
