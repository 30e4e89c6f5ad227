"""Rows with `uri` → rows, as a transform of Beam YAML."""

from collections.abc import Sequence
from typing import Any

import apache_beam as beam

from imagebeam.images.settings import Access, Resize
from imagebeam.storage import Settings
from imagebeam.transforms.label_images import LabelImages


class LabelRows(beam.PTransform):
    """Labels the images that the field `uri` of rows names; see `LabelImages`.

    Its two outputs are `predictions` and `errors`. Every row of the input becomes a row in exactly
    one of them. The arguments are values that YAML has.
    """

    def __init__(
        self,
        module: str,
        engine: str = "auto",
        emit: Sequence[str] = ("labels",),
        top_k: int = 5,
        min_score: float | None = None,
        resize: Resize = "crop",
        images_per_shard: int = 256,
        read_seconds: float = Settings.seconds,
        allow_private_hosts: bool = False,
    ) -> None:
        """Take the arguments of `LabelImages`, and two of its `access` to images on the web."""
        super().__init__()
        self._label = LabelImages(
            module,
            engine,
            tuple(emit),
            top_k,
            resize,
            images_per_shard,
            access=Access(Settings(read_seconds, allow_private_hosts=allow_private_hosts)),
            min_score=min_score,
        )

    def expand(self, rows: beam.PCollection[Any]) -> dict[str, beam.PCollection[beam.Row]]:
        """Label the images of all rows."""
        labelled = rows | self._label
        return {"predictions": labelled.predictions, "errors": labelled.errors}
