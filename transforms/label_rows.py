"""Rows with `uri` → rows, as a transform of Beam YAML."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import apache_beam as beam

from imagebeam.images.settings import Access, Resize
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.module_options import ModuleOptions
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
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the arguments of `LabelImages`, and two of its `access` to images on the web.

        Raises:
            ModuleError: `options` has another key than the fields of `ModuleOptions`, or a value
                without meaning.
        """
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
            options=_module_options(options or {}),
        )

    def expand(self, rows: beam.PCollection[Any]) -> dict[str, beam.PCollection[beam.Row]]:
        """Label the images of all rows."""
        labelled = rows | self._label
        return {"predictions": labelled.predictions, "errors": labelled.errors}


def _module_options(values: Mapping[str, Any]) -> ModuleOptions:
    known = [each.name for each in fields(ModuleOptions)]
    if unknown := [name for name in values if name not in known]:
        raise ModuleError(
            f"options: {unknown[0]!r} is unknown. Give one of {', '.join(known)}, such as "
            "value_range: [-1, 1]."
        )
    return ModuleOptions.from_json(values)
