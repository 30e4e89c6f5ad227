"""The elements that flow between the steps.

Only `Page` and `ShardReport` cross a shuffle. The records with arrays exist only between two
steps that the runner fuses.
"""

import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.left_out import LeftOutCount
from imagebeam.images.reading.picture_task import PictureTask
from imagebeam.images.stage_times import StageTimes
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.types import StagedModule
from imagebeam.outputs.account import Tally
from imagebeam.storage.clean_text import clean_text

PAGE_SIZE = 1000


@dataclass(frozen=True)
class Page:
    """Consecutive images of one input; the cost of a shuffle depends on the number of elements.

    Attributes:
        source: index of the input.
        number: its ordinals start at this many times `PAGE_SIZE`.
        images: in the order of the input.
        costs: the costs of listing them; counted when the page is first read.
        left_out: names that listing skipped without requesting them; counted likewise.
    """

    source: int
    number: int
    images: tuple[ListedImage, ...]
    costs: StageTimes = field(default_factory=dict, compare=False)
    left_out: Mapping[str, LeftOutCount] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the images as columns: a page is pickled for each of five steps.

        Pickling a named tuple calls Python functions, and takes eight times as long.
        """
        columns = list(zip(*self.images, strict=True)) or [()] * len(ListedImage._fields)
        at = ListedImage._fields.index("location")
        columns[at] = tuple(map(_plain, columns[at]))
        return _page, (self.source, self.number, columns, self.costs, self.left_out)


def _plain(location: ImageLocation | ImageError) -> tuple[Any, ...] | ImageError:
    return location if isinstance(location, ImageError) else tuple(location)


def _page(
    source: int,
    number: int,
    columns: list[tuple[Any, ...]],
    costs: StageTimes,
    left_out: Mapping[str, LeftOutCount],
) -> Page:
    at = ListedImage._fields.index("location")
    columns[at] = tuple(
        each if isinstance(each, ImageError) else ImageLocation(*each) for each in columns[at]
    )
    return Page(source, number, tuple(map(ListedImage, *columns)), costs, left_out)


class Failure(NamedTuple):
    """One image that gets an error row; fields as in `imagebeam.outputs.schema.ERRORS`.

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
        """Return the failure of an image with this error."""
        message = clean_text(str(error))[:_MAX_MESSAGE]
        return cls(uri, error.stage, error.code, message, error.retryable, extra_columns)


_MAX_MESSAGE = 500


@dataclass(frozen=True)
class Shard:
    """A few hundred images: the unit of work, of retry, of output and of resume.

    Attributes:
        id: digest of the sorted URIs, so the same images always get files of the same name.
        images: in the order of their inputs.
    """

    id: str
    images: tuple[ListedImage, ...]


@dataclass(frozen=True, eq=False)
class ReadShard:
    """The outcome of reading a shard; row i of every array belongs to `uris[i]`.

    Attributes:
        uris: the URIs of the N images that were read.
        extra_columns: per image, as in `ListedImage`.
        widths: int32 (N,), of the originals, upright, in pixels.
        heights: likewise.
        failures: the other images of the shard.
        costs: so far, by stage.
    """

    id: str
    uris: Sequence[str]
    extra_columns: Sequence[tuple[Any, ...]]
    widths: npt.NDArray[np.int32]
    heights: npt.NDArray[np.int32]
    failures: tuple[Failure, ...]
    costs: StageTimes


@dataclass(frozen=True, eq=False)
class DecodedShard(ReadShard):
    """A shard with its pictures.

    Attributes:
        pixels: uint8 (N, H, W, 3), RGB.
    """

    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ScoredShard(ReadShard):
    """A shard with its model outputs.

    Attributes:
        outputs: logits, scores and features, float32, with N rows each.
        module: the one that gave the outputs, where it may change while the pipeline runs.
    """

    outputs: ModelOutputs
    module: StagedModule | None = None


class HeldPictures(Protocol):
    """The pictures of a shard in the processes that decode them."""

    @property
    def images_ahead(self) -> int:
        """The number of images of other shards that these processes need to be busy meanwhile."""
        ...

    def decoded(self) -> DecodedShard:
        """Bring the pixels into this process."""
        ...

    def answers(self, task: PictureTask) -> "Future[tuple[ReadShard, npt.NDArray[np.float32]]]":
        """Run a task on the pictures where they are decoded.

        Returns:
            The shard, and float32 (N, width of the task).
        """
        ...


@dataclass(frozen=True, eq=False)
class HeldShard:
    """A shard whose pictures are not brought into this process, unless it crosses to another one.

    Attributes:
        shard: the images.
    """

    shard: Shard
    pictures: HeldPictures


@dataclass(frozen=True)
class ShardReport:
    """A shard whose rows are written.

    Attributes:
        tally: the outcomes of its images.
    """

    id: str
    tally: Tally


class FusedCoder(beam.coders.Coder):
    """A coder for records that are normally never encoded, because the runner fuses their steps.

    Beam estimates the size of many of a step's first elements. Its default pickles them, pixels
    included, only to measure the length.

    Args:
        record: the class of the records. Runners that rebuild a pipeline from its definition, such
            as the interactive one, ask the coder for it.
    """

    def __init__(self, record: type) -> None:
        self._record = record

    def to_type_hint(self) -> type:
        """Return the class of the records."""
        return self._record

    @classmethod
    def from_type_hint(cls, record: type, registry: Any) -> "FusedCoder":
        """Return the coder for this class; Beam calls this."""
        return cls(record)

    def encode(self, value: Any) -> bytes:
        """Return the pickled record. A held shard becomes a decoded one."""
        if isinstance(value, HeldShard):
            value = value.pictures.decoded()
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)

    def decode(self, encoded: bytes) -> Any:
        """Return the record that was encoded."""
        return pickle.loads(encoded)

    def estimate_size(self, value: Any) -> int:
        """Return the approximate size: the bytes of its arrays, and 100 per name."""
        match value:
            case Shard() | Page():
                return _NAME_BYTES * len(value.images)
            case HeldShard():
                return _NAME_BYTES * len(value.shard.images)
            case DecodedShard():
                return int(value.pixels.nbytes) + _NAME_BYTES * len(value.uris)
            case _:
                heads = (value.outputs.scores, value.outputs.logits, value.outputs.features)
                size = sum(int(array.nbytes) for array in heads if array is not None)
                return size + _NAME_BYTES * len(value.uris)


_NAME_BYTES = 100

for _record in (Page, Shard, DecodedShard, HeldShard, ScoredShard):
    beam.coders.registry.register_coder(_record, FusedCoder)
