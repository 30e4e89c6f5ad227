"""URIs → rows: the steps of the job inside any other pipeline."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
from apache_beam.typehints.decorators import no_annotations
from apache_beam.typehints.row_type import RowTypeConstraint

from imagebeam.images.listing.sources import image as listed_image
from imagebeam.images.settings import Access, DecodeLimits, Preprocessing, Resize
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.open_module import open_module
from imagebeam.modules.staging import module_bytes
from imagebeam.modules.types import StagedModule
from imagebeam.outputs.ranking import RankedClass, prediction_rows
from imagebeam.outputs.schema import PredictionSchema, heads_of
from imagebeam.transforms.decode_images import DecodeImages
from imagebeam.transforms.elements import ScoredShard, Shard
from imagebeam.transforms.picture_decoder import uri_of
from imagebeam.transforms.plan_shards import shard_id
from imagebeam.transforms.run_module import RunModule

_BASE = [("uri", str), ("width", np.int32), ("height", np.int32)]
_EMITTED: dict[str, list[tuple[str, Any]]] = {
    "labels": [("label", str), ("score", np.float32), ("top_k", Sequence[RankedClass])],
    "logits": [("logits", Sequence[np.float32])],
    "features": [("features", Sequence[np.float32])],
}
_ERROR_FIELDS = [
    *((name, str) for name in ("uri", "stage", "code", "message")),
    ("retryable", bool),
]


class LabelledImages(NamedTuple):
    """The result of `LabelImages`: every URI has a row in exactly one of the two.

    Attributes:
        predictions: rows with the columns that the job writes.
        errors: rows of the images that have no label.
    """

    predictions: beam.PCollection[beam.Row]
    errors: beam.PCollection[beam.Row]


@dataclass
class LabelImages(beam.PTransform):
    """Labels images inside any pipeline, without an output folder.

    1. Batch URIs: neighbours of a bundle become a shard.
    2. Decode images in child processes with a deadline and a memory limit.
    3. Run the module, whose flatbuffer is sent with the pipeline.
    4. Make rows with a schema, so that SqlTransform, WriteToParquet and WriteToBigQuery accept
       them.

    Nothing is shuffled and duplicate URIs are kept: put a `Reshuffle` or `Distinct` before this
    step if the pipeline needs one. Names are taken literally, so a relative path starts where the
    worker runs. gs://, s3:// and http(s):// are read too; the `uri` of a row is the URL without
    user, password and signature. Elements are URIs, or rows with the field `uri`.

    Examples:
        >>> import apache_beam as beam
        >>> from imagebeam import LabelImages
        >>> from imagebeam.samples import ARCHIVE, MODULE
        >>> names = ["IMG_2008.jpg", "IMG_0000.jpg"]
        >>> with beam.Pipeline("FnApiRunner") as pipeline:
        ...     uris = pipeline | beam.Create([str(ARCHIVE / "garden" / name) for name in names])
        ...     found = uris | LabelImages(str(MODULE))
        ...     labels = found.predictions | beam.Map(lambda row: row.label)
        ...     codes = found.errors | "Codes" >> beam.Map(lambda row: row.code)
        ...     both = (labels, codes) | beam.Flatten() | beam.combiners.ToList()
        ...     _ = both | beam.Map(lambda words: print(sorted(words)))
        ['apple', 'not_found']

    Attributes:
        module: a module as `--module` takes it.
        engine: an engine as `--engine` takes it.
        emit: any of labels, logits and features.
        top_k: number of classes in the field `top_k`.
        min_score: classes with a lower score are left out of `top_k`; None keeps them.
        resize: `crop` or `stretch`.
        images_per_shard: the most pictures that a worker thread holds at once.
        decode_processes: decoding processes per worker; None for one per core, or as many as the
            memory of the worker allows.
        limits: time and memory that one image may take.
        access: how images are reached that are not local files.
        options: facts about the input of the module that it does not state.
        model_metadata_pcoll: as for Beam's RunInference, `ModelMetadata` whose `model_id` is the
            handle of the module to use from then on. Workers must be able to read it. Rows then
            have the column `module`, the handle that gave them. `engine` and `options` hold for
            all of these modules.

    Raises:
        ModuleError: there is no such module. Raised while the pipeline is built.
        ValueError: the module does not have what `emit` names. Raised likewise.
    """

    module: str
    engine: str = "auto"
    emit: tuple[str, ...] = ("labels",)
    top_k: int = 5
    resize: Resize = "crop"
    images_per_shard: int = 256
    decode_processes: int | None = None
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    access: Access = field(default_factory=Access)
    options: ModuleOptions = NO_OPTIONS
    min_score: float | None = None
    model_metadata_pcoll: beam.PCollection[Any] | None = None

    @no_annotations  # Beam takes hints only from a single PCollection.
    def expand(self, images: beam.PCollection[Any]) -> LabelledImages:
        """Label all images."""
        module = open_module(self.module, self.engine, options=self.options)
        for note in module.notes:
            warnings.warn(note, stacklevel=2)
        schema = PredictionSchema(
            self.emit, self.top_k, module.info.class_names, {}, min_score=self.min_score
        )
        _require_heads(self.emit, module)
        size = self.images_per_shard
        row = RowTypeConstraint.from_fields(
            [
                *_BASE,
                *(field for name in self.emit for field in _EMITTED[name]),
                *([] if self.model_metadata_pcoll is None else [("module", str)]),
            ]
        )
        error = RowTypeConstraint.from_fields(_ERROR_FIELDS)
        # A module that changes runs in the worker process, which needs the pixels.
        changes = self.model_metadata_pcoll is not None
        scored = (
            images
            | "Name images" >> beam.Map(uri_of).with_output_types(str)
            | "Batch URIs" >> beam.BatchElements(min_batch_size=size, max_batch_size=size)
            | "Make shards" >> beam.Map(_shard).with_output_types(Shard)
            | DecodeImages(
                Preprocessing(module.info.image_size, self.resize),
                self.decode_processes,
                self.limits,
                self.access,
                module_bytes=None if changes else module_bytes(module),
            )
            | RunModule(
                module,
                embed_model=True,
                updates=self.model_metadata_pcoll,
                open_update=partial(open_module, engine=self.engine, options=self.options),
                heads=heads_of(self.emit),
            )
        )
        return LabelledImages(
            scored | "Make rows" >> beam.FlatMap(_rows, schema).with_output_types(row),
            scored | "Make errors" >> beam.FlatMap(_errors).with_output_types(error),
        )


def _shard(uris: Sequence[str]) -> Shard:
    images = tuple(map(listed_image, uris))
    return Shard(shard_id(image.uri for image in images), images)


def _require_heads(emit: Sequence[str], module: StagedModule) -> None:
    for name, head in zip(emit, heads_of(emit), strict=True):
        if head not in module.info.heads:
            raise ValueError(f"emit={name!r}: {module.handle} has no {head}. Leave it out.")


def _rows(shard: ScoredShard, schema: PredictionSchema) -> Iterator[beam.Row]:
    outputs, more = shard.outputs, {}
    if shard.module is not None:
        _require_heads(schema.emit, shard.module)
        schema = replace(schema, class_names=shard.module.info.class_names)
        more = {"module": shard.module.handle}
    table = schema.table(
        shard.uris, shard.widths, shard.heights, outputs.scores, outputs.logits, outputs.features
    )
    for values in prediction_rows(table):
        yield beam.Row(**values, **more)


def _errors(shard: ScoredShard) -> Iterator[beam.Row]:
    for failure in shard.failures:
        yield beam.Row(**{name: getattr(failure, name) for name, _ in _ERROR_FIELDS})


beam.coders.registry.register_coder(RankedClass, beam.coders.RowCoder)
