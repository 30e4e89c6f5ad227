"""The Beam steps of the job, one verb per file, in the order of the flow.

ListImages → SkipDone → PlanShards → DecodeImages → RunModule → WriteShards → Summarise

`LabelImages` is the part from URIs to rows, for use in any pipeline. `ModuleHandler` runs a module
on arrays with Beam's RunInference.
"""

from imagebeam.transforms.decode_images import DecodeImages
from imagebeam.transforms.label_images import LabelImages, LabelledImages
from imagebeam.transforms.list_images import ListImages
from imagebeam.transforms.module_handler import ModuleHandler
from imagebeam.transforms.plan_shards import PlanShards
from imagebeam.transforms.run_module import RunModule
from imagebeam.transforms.skip_done import SkipDone
from imagebeam.transforms.summarise import Summarise
from imagebeam.transforms.write_shards import WriteShards

__all__ = [
    "DecodeImages",
    "LabelImages",
    "LabelledImages",
    "ListImages",
    "ModuleHandler",
    "PlanShards",
    "RunModule",
    "SkipDone",
    "Summarise",
    "WriteShards",
]
