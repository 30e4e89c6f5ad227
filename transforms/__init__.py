"""Beam steps, one verb a file, in the order of the flow.

ListImages → SkipDone → PlanShards → DecodeImages → RunModule → WriteShards → Summarise
"""

from transforms.decode_images import DecodeImages
from transforms.list_images import ListImages
from transforms.plan_shards import PlanShards
from transforms.run_module import RunModule
from transforms.skip_done import SkipDone
from transforms.summarise import Summarise
from transforms.write_shards import WriteShards

__all__ = [
    "DecodeImages",
    "ListImages",
    "PlanShards",
    "RunModule",
    "SkipDone",
    "Summarise",
    "WriteShards",
]
