"""Label images with TF-Hub modules: functions for notebooks, steps for Beam pipelines.

Each public name is imported when it is first used, so `import imagebeam` itself is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from imagebeam.version import __version__

if TYPE_CHECKING:
    from imagebeam.beam_pipeline.runners.beam_internals import local_runner
    from imagebeam.errors import ImagebeamError
    from imagebeam.images.errors import ImageError
    from imagebeam.modules.errors import ModuleError
    from imagebeam.modules.module_options import ModuleOptions
    from imagebeam.outputs.ranking import RankedClass, row_as_dict
    from imagebeam.pictures import Label, iter_labels, label_pictures
    from imagebeam.transforms.label_images import LabelImages, LabelledImages
    from imagebeam.transforms.module_handler import ModuleHandler

__all__ = [
    "ImageError",
    "ImagebeamError",
    "Label",
    "LabelImages",
    "LabelledImages",
    "ModuleError",
    "ModuleHandler",
    "ModuleOptions",
    "RankedClass",
    "__version__",
    "iter_labels",
    "label_pictures",
    "local_runner",
    "row_as_dict",
]

_HOMES = {
    "ImageError": "images.errors",
    "ImagebeamError": "errors",
    "ModuleOptions": "modules.module_options",
    "Label": "pictures",
    "LabelImages": "transforms.label_images",
    "LabelledImages": "transforms.label_images",
    "ModuleError": "modules.errors",
    "ModuleHandler": "transforms.module_handler",
    "RankedClass": "outputs.ranking",
    "iter_labels": "pictures",
    "label_pictures": "pictures",
    "local_runner": "beam_pipeline.runners.beam_internals",
    "row_as_dict": "outputs.ranking",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
