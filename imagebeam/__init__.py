"""What other programs import: pictures to labels, and steps for their own Beam pipelines.

Importing it imports no Beam: `LabelImages`, `LabelledImages` and `ModuleHandler` do so when they
are asked for.
"""

from typing import TYPE_CHECKING, Any

from hub_modules import ModuleError
from imagebeam.pictures import Label, label_pictures
from images.errors import ImageError
from results.rows import RankedClass

if TYPE_CHECKING:
    from transforms import LabelImages, LabelledImages, ModuleHandler

__all__ = [
    "ImageError",
    "Label",
    "LabelImages",
    "LabelledImages",
    "ModuleError",
    "ModuleHandler",
    "RankedClass",
    "label_pictures",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import transforms

    return getattr(transforms, name)
