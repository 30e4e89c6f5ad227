"""Images inside tar, zip, TFRecord and Parquet files: listed once, then read by place.

Nothing is ever written to disk, whatever an archive asks for: a member's name is data.
"""

from images.containers.kinds import SUFFIXES, Kind, kind_of
from images.containers.opening import Container, open_container, read_range
from images.containers.records import Caps, Member, Place, Problem, Selection

__all__ = [
    "SUFFIXES",
    "Caps",
    "Container",
    "Kind",
    "Member",
    "Place",
    "Problem",
    "Selection",
    "kind_of",
    "open_container",
    "read_range",
]
