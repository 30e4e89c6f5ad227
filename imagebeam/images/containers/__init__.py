"""Images inside tar, zip, TFRecord and Parquet files: listed once, then read by place.

Nothing is ever written to disk, whatever an archive asks for: a member's name is data.
"""

from imagebeam.images.containers.container import Container, open_container, read_range
from imagebeam.images.containers.kinds import SUFFIXES, ContainerKind, kind_of
from imagebeam.images.containers.types import (
    ContainerLimits,
    Member,
    MemberOffset,
    MemberProblem,
    MemberSelection,
)

__all__ = [
    "SUFFIXES",
    "Container",
    "ContainerKind",
    "ContainerLimits",
    "Member",
    "MemberOffset",
    "MemberProblem",
    "MemberSelection",
    "kind_of",
    "open_container",
    "read_range",
]
