"""The Beam steps of the job, one verb per file, in the order of the flow.

ListImages → SkipDone → PlanShards → DecodeImages → RunModule → WriteShards → Summarise

`LabelImages` is the part from URIs to rows, for use in any pipeline, and `LabelRows` the same for
Beam YAML. `ModuleHandler` runs a module on arrays with Beam's RunInference.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from imagebeam.transforms.decode_images import DecodeImages
from imagebeam.transforms.list_images import ListImages
from imagebeam.transforms.plan_shards import PlanShards
from imagebeam.transforms.run_module import RunModule
from imagebeam.transforms.skip_done import SkipDone
from imagebeam.transforms.summarise import Summarise
from imagebeam.transforms.write_shards import WriteShards

if TYPE_CHECKING:
    from imagebeam.transforms.label_images import LabelImages, LabelledImages
    from imagebeam.transforms.label_rows import LabelRows
    from imagebeam.transforms.module_handler import ModuleHandler

__all__ = [
    "DecodeImages",
    "LabelImages",
    "LabelRows",
    "LabelledImages",
    "ListImages",
    "ModuleHandler",
    "PlanShards",
    "RunModule",
    "SkipDone",
    "Summarise",
    "WriteShards",
]


_LATER = {
    "LabelImages": "label_images",
    "LabelRows": "label_rows",
    "LabelledImages": "label_images",
    "ModuleHandler": "module_handler",
}
"""Homes of what the job does not use: Pillow and Beam's RunInference take long to import."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
