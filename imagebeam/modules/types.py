"""The records that describe a module: its interface, its files, its engine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.input_ranges import RGB, STATED, Range
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions, as_tuples
from imagebeam.modules.output_kinds import FEATURES
from imagebeam.storage import AnyPath

FloatArray = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

LITERT = "litert"
TENSORFLOW = "tensorflow"
ONNX = "onnx"
ENGINES = (LITERT, TENSORFLOW, ONNX)

GRAPH_FILE = "saved_model.pb"
FLATBUFFER_SUFFIX = ".tflite"
ONNX_SUFFIX = ".onnx"
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")


@dataclass(frozen=True)
class ModuleInfo:
    """The interface of an image module, whatever its file format.

    Attributes:
        image_size: (height, width) in pixels.
        value_range: what the pixel values 0 and 255 are at the module's input. A quantised input
            takes the pixel bytes themselves and gives them these real values.
        heads: the outputs that the module computes, among "logits" (before the softmax), "scores"
            (after it, each row sums to one) and "features". A module with logits also has scores.
        class_count: length of logits and scores; None without them.
        feature_length: length of features; None without them.
        class_names: one name per class, index 0 first; None when they are not known.
        quantops: True if the network was trained to compute with 8-bit integers.
        network: facts about the network, as its metadata states them (family, width, size,
            parameters, macs, ...).
        provenance: the origin of the weights, as its metadata states it.
        channel_ranges: one range for each channel of the input, where they differ.
        channels: the order of the colours at the input, "rgb" or "bgr".
        range_origin: how the range is known: stated, found in the graph, the convention of a
            family, given as an option, or assumed.
        independent: True if scores do not sum to one, because each is the result of a sigmoid.
        percent: True if the network computes scores from 0 to 100.
        names_assumed: True if the names are those of ImageNet because the number of classes is.
        takes_bytes: True if the input takes pixel bytes, as they are or in another quantisation.
        options: the facts that the user has stated.
        contradictions: sentences about options, or files of the module, that contradict the module.
        constant_answers: True if it gives the same answer to very different pictures.
        varying_ranges: if its answers are constant with an assumed range, the ranges with which
            they vary.
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
    channel_ranges: tuple[Range, ...] | None = None
    channels: str = RGB
    range_origin: str = field(default=STATED, compare=False)
    independent: bool = False
    percent: bool = False
    options: ModuleOptions = NO_OPTIONS
    contradictions: tuple[str, ...] = ()
    names_assumed: bool = field(default=False, compare=False)
    takes_bytes: bool = field(default=False, compare=False)
    constant_answers: bool = field(default=False, compare=False)
    varying_ranges: tuple[Range, ...] = field(default=(), compare=False)

    @property
    def input_ranges(self) -> tuple[Range, ...]:
        """Return the range of the input: one for all channels, or one for each."""
        return self.channel_ranges or (self.value_range,)

    def length(self, head: str) -> int:
        """Return the length of a row of `head`; raise KeyError if the module does not have it."""
        length = self.feature_length if head == FEATURES else self.class_count
        if head not in self.heads or length is None:
            raise KeyError(head)
        return length

    def to_json(self) -> dict[str, Any]:
        """Return this record as JSON values."""
        return {**asdict(self), "heads": sorted(self.heads), "options": self.options.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModuleInfo":
        """Read the record that `to_json` wrote."""
        lists = {
            *("image_size", "value_range", "channel_ranges", "class_names"),
            *("contradictions", "varying_ranges"),
        }
        return cls(
            **{
                **values,
                **{name: as_tuples(values[name]) for name in lists & values.keys()},
                "heads": frozenset(values["heads"]),
                "options": ModuleOptions.from_json(values.get("options", {})),
            }
        )


@dataclass(frozen=True)
class StagedModule:
    """A module in the form in which workers load it.

    Attributes:
        handle: the handle of the user, without its pin.
        digest: "sha256:" and 64 hexadecimal digits over all its files, see `handles.digest`.
        engine: "litert", "tensorflow" or "onnx".
        path: one file, see `staging`; for a module that was not staged, see `Module.path`.
        info: its interface.
        file_digest: SHA-256 of that file in hexadecimal digits, which every worker checks before it
            loads the file; empty for a module that was not staged.
    """

    handle: str
    digest: str
    engine: str
    path: AnyPath
    info: ModuleInfo
    file_digest: str = field(default="", kw_only=True)


@dataclass(frozen=True)
class Module(StagedModule):
    """A module that `load_engine` can load.

    Attributes:
        path: for LiteRT the flatbuffer file, for TensorFlow the SavedModel directory.
        engine_reason: the reason why this engine was chosen.
        source: the local directory or file that the handle refers to.
        notes: statements for the user, such as assumptions where the module is silent.
    """

    path: Path
    engine_reason: str
    source: Path
    notes: tuple[str, ...] = ()
