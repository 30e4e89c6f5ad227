"""Count what a listing finds and does not request, by reason and with a few examples."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from imagebeam.images import uris

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "hidden": (
            "its name, or the name of a folder above it, starts with a dot; beside tables, also "
            "with an underscore"
        ),
        "excluded": "it matches --exclude, or a file server made it for its own use",
        "archive": "an archive or table in a folder; name it, or a glob such as '*.tar'",
        "video": "a video: take frames from it first",
        "other_kind": "neither its name nor its content is that of a picture",
        "quoted": "a line inside a quote that is never closed, or closed in a wrong place",
        "blank": "a line or row of a manifest without a name",
        "empty_archive": "an archive without files",
        "empty_manifest": "a manifest without lines or rows",
        "link_loop": "a link to a folder above it",
    }
)
"""The closed list of reasons, each with its explanation."""

EXAMPLES = 3
_EXAMPLE_LENGTH = 200


class LeftOutCount(NamedTuple):
    """The number of entries that were left out for one reason.

    Attributes:
        entries: the number. A folder that is left out as a whole counts once.
        examples: URIs of the first few, shortened.
    """

    entries: int = 0
    examples: tuple[str, ...] = ()


_NONE = LeftOutCount()


class LeftOut:
    """A counter that one listing fills."""

    def __init__(self) -> None:
        self._counts: dict[str, LeftOutCount] = {}

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Count entries that are left out for a reason.

        Args:
            reason: a key of `REASONS`.
            name: URI of the entry, or of one of them.
            count: the number of entries.
        """
        before, examples = self._counts.get(reason, _NONE)
        if len(examples) < EXAMPLES:
            examples = (*examples, _shortened(name))
        self._counts[reason] = LeftOutCount(before + count, examples)

    def add_path(self, reason: str, path: str) -> None:
        """Count one local file or folder, whose URI is made only if it becomes an example."""
        before, examples = self._counts.get(reason, _NONE)
        if len(examples) < EXAMPLES:
            self.add(reason, uris.from_path(path))
        else:
            self._counts[reason] = LeftOutCount(before + 1, examples)

    def take(self) -> dict[str, LeftOutCount]:
        """Return the counts since the last call, and start again at zero."""
        counts, self._counts = self._counts, {}
        return counts


def _shortened(name: str) -> str:
    text = "".join(each if each.isprintable() else "\ufffd" for each in name)
    return text if len(text) <= _EXAMPLE_LENGTH else f"{text[: _EXAMPLE_LENGTH - 1]}…"
