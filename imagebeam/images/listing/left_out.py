"""Count what a listing meets and does not request, by reason and with a few examples."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "hidden": "its name, or the name of a folder above it, starts with a dot",
        "excluded": "it matches --exclude, or a file server made it for its own use",
        "archive": "an archive or table in a folder; name it, or a glob such as '*.tar'",
        "video": "a video: take frames from it first",
        "other_kind": "neither its name nor its content is that of a picture",
        "quoted": "a line inside a quote that is never closed, or closed in a wrong place",
        "blank": "a line or row of a manifest without a name",
        "empty_archive": "an archive without members",
        "link_loop": "a link to a folder above it",
    }
)
"""The closed list of reasons, each with its explanation."""

EXAMPLES = 3
_EXAMPLE_LENGTH = 200


class LeftOutCount(NamedTuple):
    """How many entries were left out for one reason.

    Attributes:
        entries: the number. A folder that is left out as a whole counts once.
        examples: URIs of the first few, shortened.
    """

    entries: int = 0
    examples: tuple[str, ...] = ()


class LeftOut:
    """A counter that one listing fills."""

    def __init__(self) -> None:
        self._counts: dict[str, LeftOutCount] = {}

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Count entries that are left out for a reason.

        Args:
            reason: a key of `REASONS`.
            name: URI of the entry, or of one of them.
            count: of entries.
        """
        self.merge({reason: LeftOutCount(count, (_shortened(name),))})

    def merge(self, more: Mapping[str, LeftOutCount]) -> None:
        """Add the counts of another listing."""
        self._counts = total((self._counts, more))

    def take(self) -> dict[str, LeftOutCount]:
        """Return the counts since the last call, and start again at zero."""
        counts, self._counts = self._counts, {}
        return counts

    @property
    def count(self) -> int:
        """The number of entries since the last `take`."""
        return sum(each.entries for each in self._counts.values())


def total(parts: Iterable[Mapping[str, LeftOutCount]]) -> dict[str, LeftOutCount]:
    """Add up counts; the examples are the first in the order of their names."""
    counts: dict[str, LeftOutCount] = {}
    for part in parts:
        for reason, (count, examples) in part.items():
            before = counts.get(reason, LeftOutCount())
            names = sorted({*before.examples, *examples})[:EXAMPLES]
            counts[reason] = LeftOutCount(before.entries + count, tuple(names))
    return counts


def _shortened(name: str) -> str:
    text = "".join(each if each.isprintable() else "\ufffd" for each in name)
    return text if len(text) <= _EXAMPLE_LENGTH else f"{text[: _EXAMPLE_LENGTH - 1]}…"
