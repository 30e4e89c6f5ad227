"""How images are reached: patience, trust, and how many reads at once."""

from dataclasses import dataclass, field

from imagebeam.images.containers.types import MemberSelection
from imagebeam.storage import Settings


@dataclass(frozen=True)
class Access:
    """Part of a job, told to every worker.

    Attributes:
        settings: of the stores.
        concurrent_reads: objects that a worker process reads at once, to hide what each waits.
        selection: which part of a container's record holds the image.
    """

    settings: Settings = field(default_factory=Settings)
    concurrent_reads: int = 64
    selection: MemberSelection = field(default_factory=MemberSelection)
