"""What flows between the steps.

Only `Page` and `ShardReport` ever cross a shuffle; the records with arrays live and die
between two steps that the runner fuses.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.listing.left_out import LeftOutCount
from imagebeam.images.stage_times import StageTimes
from imagebeam.modules import ModelOutputs
from imagebeam.outputs.account import Tally

PAGE_SIZE = 1000


@dataclass(frozen=True)
class Page:
    """Images that one input lists one after the other: a shuffle's cost depends on its elements.

    Attributes:
        source: index of the input.
        number: its ordinals start at this many times `PAGE_SIZE`.
        images: in the order of the input.
        costs: of listing them; counted where the page is first read.
        left_out: what listing met beside them and did not request; counted there too.
    """

    source: int
    number: int
    images: tuple[ListedImage, ...]
    costs: StageTimes = field(default_factory=dict, compare=False)
    left_out: Mapping[str, LeftOutCount] = field(default_factory=dict)


class Failure(NamedTuple):
    """One image that ends in an error row; fields as in `imagebeam.outputs.schema.ERRORS`.

    Attributes:
        extra_columns: as in `ListedImage`.
    """

    uri: str
    stage: str
    code: str
    message: str
    retryable: bool
    extra_columns: tuple[Any, ...] = ()

    @classmethod
    def of(cls, uri: str, error: ImageError, extra_columns: tuple[Any, ...] = ()) -> "Failure":
        """The row for an image that ended in this error."""
        message = str(error)[:_MAX_MESSAGE]
        return cls(uri, error.stage, error.code, message, error.retryable, extra_columns)


_MAX_MESSAGE = 500


@dataclass(frozen=True)
class Shard:
    """A few hundred images: the unit of work, of retry, of output and of resume.

    Attributes:
        id: digest of the sorted URIs, so the same images always end in files of the same name.
        images: in the order of their inputs.
    """

    id: str
    images: tuple[ListedImage, ...]


@dataclass(frozen=True, eq=False)
class DecodedShard:
    """A shard's pictures; row i of every array belongs to `uris[i]`.

    Attributes:
        id: of the shard.
        uris: of the images that could be decoded.
        extra_columns: of each, as in `ListedImage`.
        widths: int32 (N,), of the originals, upright, in pixels.
        heights: likewise.
        pixels: uint8 (N, H, W, 3), RGB.
        failures: the other images of the shard.
        costs: so far, by stage.
    """

    id: str
    uris: Sequence[str]
    extra_columns: Sequence[tuple[Any, ...]]
    widths: npt.NDArray[np.int32]
    heights: npt.NDArray[np.int32]
    pixels: npt.NDArray[np.uint8]
    failures: tuple[Failure, ...]
    costs: StageTimes


@dataclass(frozen=True, eq=False)
class ScoredShard:
    """A shard's answers; row i of every array belongs to `uris[i]`.

    Attributes:
        id: of the shard.
        uris: of the images that the module answered for.
        extra_columns: of each, as in `ListedImage`.
        widths: int32 (N,), of the originals, upright, in pixels.
        heights: likewise.
        answers: logits, scores and features, float32, with N rows each.
        failures: the other images of the shard.
        costs: so far, by stage.
    """

    id: str
    uris: Sequence[str]
    extra_columns: Sequence[tuple[Any, ...]]
    widths: npt.NDArray[np.int32]
    heights: npt.NDArray[np.int32]
    answers: ModelOutputs
    failures: tuple[Failure, ...]
    costs: StageTimes


@dataclass(frozen=True)
class ShardReport:
    """A shard whose rows are written.

    Attributes:
        id: of the shard.
        tally: what became of its images.
    """

    id: str
    tally: Tally


class FusedCoder(beam.coders.Coder):
    """For records that pass from step to step inside a worker, and are encoded only by surprise.

    Beam weighs many of a step's first elements. By its own means it would pickle them, pixels and
    all, only to see how long that gets.
    """

    def encode(self, value: Any) -> bytes:
        """The record, pickled."""
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """The record that was encoded."""
        return pickle.loads(encoded)

    def estimate_size(self, value: Any) -> int:
        """Bytes, roughly: those of its arrays, and a hundred a name."""
        match value:
            case Shard() | Page():
                return _NAME_BYTES * len(value.images)
            case DecodedShard():
                return int(value.pixels.nbytes) + _NAME_BYTES * len(value.uris)
            case _:
                found = (value.answers.scores, value.answers.logits, value.answers.features)
                arrays = sum(int(each.nbytes) for each in found if each is not None)
                return arrays + _NAME_BYTES * len(value.uris)


_NAME_BYTES = 100

for _record in (Page, Shard, DecodedShard, ScoredShard):
    beam.coders.registry.register_coder(_record, FusedCoder)
