"""Whether the owner of an image forbids its use by programs like this one.

The header X-Robots-Tag is a list of directives, for all or, after `NAME:`, for one program:
`noai, noimageai` or `otherbot: noindex, imagebeam: noai`.
"""

import re
from collections.abc import Iterable

from imagebeam.storage.errors import OptedOut

PROGRAM = "imagebeam"
"""The name by which headers may speak of this program."""

_FORBID = {"noai", "noimageai", "noindex", "noimageindex", "none"}

_NAMED = re.compile(r"\s*([\w*-]+)\s*:(.*)", re.DOTALL)

# Directives that have a colon of their own.
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}


def check(headers: Iterable[str]) -> None:
    """Heed the values of all headers X-Robots-Tag of an answer.

    Raises:
        OptedOut: they forbid that the image is used.
    """
    for header in headers:
        program = "*"
        for part in header.lower().split(","):
            directive = part
            if (named := _NAMED.match(part)) and named[1] not in _VALUED:
                program, directive = named.groups()
            if program in ("*", PROGRAM) and directive.strip() in _FORBID:
                raise OptedOut(f"its header X-Robots-Tag says {directive.strip()}")
