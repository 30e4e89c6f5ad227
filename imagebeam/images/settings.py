"""Settings that workers receive: access to images, and their preprocessing."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from imagebeam.images.containers.types import MemberSelection
from imagebeam.images.digests import Digest
from imagebeam.storage import Settings
from imagebeam.storage.secrets import HideQuery

Resize = Literal["crop", "stretch"]
Truncation = Literal["refuse", "accept"]

MAX_PIXELS = 100_000_000
"""Pixels of a picture that may be decoded, by default."""


@dataclass(frozen=True)
class Access:
    """Settings for access to images.

    Attributes:
        concurrent_reads: objects that a worker process reads at once, to hide their latency.
        selection: which part of a container's record holds the image.
        hide_query: which values of a URL's query the names of images hide.
    """

    settings: Settings = field(default_factory=Settings)
    concurrent_reads: int = 64
    selection: MemberSelection = field(default_factory=MemberSelection)
    hide_query: HideQuery = "secret"


class ReadColumns(NamedTuple):
    """The columns that reading adds to rows, after those of the listing.

    Attributes:
        listed: number of columns of the listing.
        digest: whether there is one with the digest of the image's bytes.
        final_url: whether there is one with the address that redirects led to.
    """

    listed: int = 0
    digest: bool = False
    final_url: bool = False


NO_READ_COLUMNS = ReadColumns()


@dataclass(frozen=True)
class Preprocessing:
    """Settings that turn pictures into a module's input; two outputs compare only if they agree.

    Attributes:
        size: (height, width) of the module's input in pixels.
        resize: see `imagebeam.images.decode.decode`.
        max_bytes: an encoded image with more is refused.
        max_pixels: a picture with more is refused.
        truncated: whether pictures that end early are decoded as far as they go.
        digest: kind of the digest of the encoded bytes that reading adds; None adds none.
    """

    size: tuple[int, int]
    resize: Resize = "crop"
    max_bytes: int = 100_000_000
    max_pixels: int = MAX_PIXELS
    truncated: Truncation = "refuse"
    digest: Digest | None = None

    @property
    def image_bytes(self) -> int:
        """Bytes of one decoded picture: height × width × 3."""
        return self.size[0] * self.size[1] * 3


@dataclass(frozen=True)
class DecodeLimits:
    """Limits for the decoding of one image.

    Attributes:
        seconds: wall time from the start of its work to its pixels; up to a tenth more may pass.
        memory: bytes of address space that a child may take beyond what it starts with.
        pixels_at_once: the most pixels of a picture that all children of a worker may decode at
            once; one with more waits until no other child decodes such a picture. None for any
            number.
    """

    seconds: float = 60.0
    memory: int = 2_000_000_000
    pixels_at_once: int | None = None
