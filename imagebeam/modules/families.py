"""The input of well-known networks, by the names of their layers.

The published weights of a family share one range and one order of colours. Their graphs do not show
it where pictures are prepared outside of the network, as `preprocess_input` of Keras does.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from imagebeam.modules.input_ranges import (
    BGR,
    CANDIDATES,
    FAMILY,
    GRAPH,
    RGB,
    InputFacts,
    Range,
    spans,
)
from imagebeam.modules.module_options import ranges_of

_SYMMETRIC = InputFacts(((-1.0, 1.0),), FAMILY, RGB)
_CAFFE = InputFacts(ranges_of((103.939, 116.779, 123.68), (1.0,)), FAMILY, BGR)
_TORCH = InputFacts(ranges_of((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)), FAMILY, RGB)

# Calibration with pictures that are neither quite black nor quite white misses by this share.
_CALIBRATION = 0.02

# A layer that only this family has, and one that it does not have, as regular expressions. A layer
# is a whole part of a name between slashes; Keras appends _1, _2 and so on to repeated names.
_FAMILIES: tuple[tuple[str, str | None, InputFacts], ...] = (
    # TF-Slim
    (r"MobilenetV[123]|InceptionV[1-4]|InceptionResnetV2|NASNet.*", None, _SYMMETRIC),
    # keras.applications
    (r"(mobilenet|mobilenetv2|xception|inception_v3|inception_resnet_v2)[_.\d]*", None, _SYMMETRIC),
    (r"conv_pw_13|block_16_project|block14_sepconv2|normal_conv_1_.*|conv_7b", None, _SYMMETRIC),
    (r"conv2_block1_preact_bn", None, _SYMMETRIC),
    (r"conv2_block1_0_conv", r"conv2_block1_preact_bn", _CAFFE),
    (r"block5_conv3", None, _CAFFE),
    (r"conv5_block16_concat|conv5_block32_concat", None, _TORCH),
)


def facts_of_family(names: Iterable[str]) -> InputFacts | None:
    """Return the input of the family that the names of tensors show; None for an unknown one."""
    layers = {layer for name in names for layer in re.split(r"[;/:]", name)}

    def has(pattern: str) -> bool:
        return any(re.fullmatch(rf"(?:{pattern})(?:_\d+)?", layer) for layer in layers)

    for layer, other, facts in _FAMILIES:
        if has(layer) and not (other and has(other)):
            return facts
    return None


def facts_of_limits(limits: Range, tolerance: float = _CALIBRATION) -> InputFacts | None:
    """Return the usual input that a quantised tensor was made for; None for an unusual one.

    Args:
        limits: the lowest and the highest value of the tensor.
        tolerance: see `spans`.
    """
    for facts in (*(InputFacts((each,), GRAPH) for each in CANDIDATES), _TORCH, _CAFFE):
        if spans(limits, facts.ranges, tolerance):
            return replace(facts, origin=GRAPH)
    return None
