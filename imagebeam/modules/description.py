"""Describe a module from what is known of its input and from its answers to probe pictures."""

from collections.abc import Callable, Mapping

import numpy as np

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.input_ranges import ASSUMED, RGB, InputFacts, Range
from imagebeam.modules.metadata import Metadata
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.output_kinds import FEATURES, LOGITS, SCORES
from imagebeam.modules.probes import (
    PERCENT,
    are_constant,
    are_independent,
    are_percentages,
    varying_ranges,
)
from imagebeam.modules.types import FloatArray, ModuleInfo


def describe(
    size: tuple[int, int],
    facts: InputFacts,
    rows: Mapping[str, FloatArray],
    metadata: Metadata,
    source: str,
    *,
    rows_with: Callable[[Range], Mapping[str, FloatArray]],
    options: ModuleOptions,
    contradictions: tuple[str, ...],
    takes_bytes: bool,
    ends_in: str | None,
    quantops: bool = False,
) -> ModuleInfo:
    """Describe a module.

    Args:
        size: (height, width) of its pictures.
        rows: its answers to the probe pictures by head, float32 (N, length).
        metadata: what its author states.
        source: names it in errors.
        rows_with: computes the same answers with another range of the input.
        options: what the user states.
        contradictions: sentences about options that contradict the module.
        takes_bytes: see `ModuleInfo`.
        ends_in: the end of the network behind which its scores come, see `probes`.
        quantops: see `ModuleInfo`.

    Raises:
        ModuleError: the metadata, or the kind that is stated for an output, does not fit.
    """
    scores = rows.get(SCORES)
    percent = scores is not None and (ends_in == PERCENT or are_percentages(scores))
    if scores is not None and percent:
        scores = scores / np.float32(100)
        rows = {**rows, SCORES: scores}
    if scores is not None and ((scores < -1e-3) | (scores > 1 + 1e-3)).any():
        raise ModuleError(
            f"{source}: the output that is stated to be scores has values from "
            f"{scores.min():.3g} to {scores.max():.3g}, and scores are from 0 to 1. State it as "
            f"{LOGITS}."
        )
    classifier = rows.get(LOGITS, scores)
    # One sigmoid, or one logit, separates two classes.
    class_count = None if classifier is None else max(2, classifier.shape[1])
    one = len(facts.ranges) == 1
    constant = are_constant(rows)
    unused = () if class_count is None else metadata.unused_labels(class_count)
    return ModuleInfo(
        image_size=size,
        value_range=facts.ranges[0],
        heads=frozenset({*rows, SCORES} if LOGITS in rows else rows),
        class_count=class_count,
        feature_length=rows[FEATURES].shape[1] if FEATURES in rows else None,
        class_names=None if class_count is None else metadata.class_names(class_count, source),
        network=metadata.network,
        provenance=metadata.provenance,
        channel_ranges=None if one else facts.ranges,
        channels=facts.channels or RGB,
        contradictions=(*contradictions, *unused),
        range_origin=facts.origin,
        independent=scores is not None and scores.shape[1] > 1 and are_independent(scores),
        percent=percent,
        constant_answers=constant,
        varying_ranges=varying_ranges(rows_with) if constant and facts.origin == ASSUMED else (),
        options=options,
        takes_bytes=takes_bytes,
        quantops=quantops,
    )


def decide_size(
    fixed: tuple[int, int] | None,
    default: tuple[int, int] | None,
    stated: tuple[int, int] | None,
    source: str,
) -> tuple[int, int]:
    """Decide the (height, width) of the pictures.

    Args:
        fixed: the size that the network requires; None if it takes any size.
        default: the one that the module states.
        stated: the one that the user states.
        source: names the module in errors.

    Raises:
        ModuleError: the network does not take the stated size, or nothing states one.
    """
    if fixed is not None:
        if stated not in (None, fixed):
            height, width = fixed
            raise ModuleError(
                f"{source}: takes pictures of {height}x{width} only. Leave out --image-size."
            )
        return fixed
    if (size := stated or default) is None:
        raise ModuleError(
            f"{source}: takes pictures of any size, and states none. Give the size that it was "
            "trained with, such as --image-size 224."
        )
    return size
