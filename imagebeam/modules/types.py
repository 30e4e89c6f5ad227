"""What is known of a module, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.storage import AnyPath

FloatArray = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

LITERT = "litert"
TENSORFLOW = "tensorflow"
ENGINES = (LITERT, TENSORFLOW)

LOGITS = "logits"
SCORES = "scores"
FEATURES = "features"


@dataclass(frozen=True)
class ModuleInfo:
    """The interface of an image module, whatever its file format.

    Attributes:
        image_size: (height, width) in pixels.
        value_range: what the pixel values 0 and 255 are at the module's input. A quantised input
            takes the pixel bytes themselves and gives them these real values.
        heads: which of "logits" (before the softmax), "scores" (after it, a row sums to one) and
            "features" the module computes. A module with logits also answers scores.
        class_count: length of logits and scores; None without them.
        feature_length: length of features; None without them.
        class_names: one name a class, index 0 first; None when they are not known.
        quantops: whether the network was trained to compute with 8-bit integers.
        network: facts about the network where the module states them (family, width, size,
            parameters, macs, ...).
        provenance: where the weights come from, as the module states it.
    """

    image_size: tuple[int, int]
    value_range: tuple[float, float]
    heads: frozenset[str]
    class_count: int | None = None
    feature_length: int | None = None
    class_names: tuple[str, ...] | None = None
    quantops: bool = False
    network: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def length(self, head: str) -> int:
        """The length of a row of `head`.

        Raises:
            KeyError: the module does not have it.
        """
        length = self.feature_length if head == FEATURES else self.class_count
        if head not in self.heads or length is None:
            raise KeyError(head)
        return length

    def to_json(self) -> dict[str, Any]:
        """This record as JSON values."""
        return {**asdict(self), "heads": sorted(self.heads)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ModuleInfo:
        """The record that `to_json` wrote."""
        names = values["class_names"]
        height, width = values["image_size"]
        low, high = values["value_range"]
        return cls(
            **{
                **values,
                "image_size": (height, width),
                "value_range": (low, high),
                "heads": frozenset(values["heads"]),
                "class_names": None if names is None else tuple(names),
            }
        )


@dataclass(frozen=True)
class StagedModule:
    """A module as workers find it.

    Attributes:
        handle: as the user gave it, without its pin.
        digest: "sha256:" and 64 hexadecimal digits over all its files, see `digest`.
        engine: "litert" or "tensorflow".
        path: one file, see `staging`; of a module that was not staged, as below.
        info: its interface.
    """

    handle: str
    digest: str
    engine: str
    path: AnyPath
    info: ModuleInfo


@dataclass(frozen=True)
class Module(StagedModule):
    """A module that is ready to be loaded by `load_engine`.

    Attributes:
        path: for LiteRT the flatbuffer file, for TensorFlow the SavedModel directory.
        engine_reason: why this engine runs it.
        source: the directory or file on this machine that the handle stands for.
    """

    path: Path
    engine_reason: str
    source: Path


@dataclass(frozen=True, eq=False)
class ModelOutputs:
    """What a module says about N images.

    Attributes:
        logits: float32 (N, classes), or None when the module ends in a softmax or has no classes.
        scores: float32 (N, classes), softmax probabilities, or None without classes.
        features: float32 (N, length), or None when the module has no feature head.
    """

    logits: FloatArray | None = None
    scores: FloatArray | None = None
    features: FloatArray | None = None
