"""Beam steps, one verb a file, in the order of the flow.

ListImages → SkipDone → PlanShards → DecodeImages → RunModule → WriteShards → Summarise

`LabelImages` is the middle of it, from URIs to rows, for any pipeline; `ModuleHandler` brings a
module to Beam's RunInference on arrays.
"""

from transforms.decode_images import DecodeImages
from transforms.label_images import LabelImages, LabelledImages
from transforms.list_images import ListImages
from transforms.module_handler import ModuleHandler
from transforms.plan_shards import PlanShards
from transforms.run_module import RunModule
from transforms.skip_done import SkipDone
from transforms.summarise import Summarise
from transforms.write_shards import WriteShards

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
