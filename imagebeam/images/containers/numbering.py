"""Numbers for members that share a name, so that each has a URI of its own."""

from imagebeam.images.containers.types import Entry


class Numbering:
    """Numbers the members of one container that have the same name.

    The first keeps its name; the next ones are called `NAME#2`, `NAME#3` and so on, in the
    container's order. The one with the highest number is what unpacking a tar leaves.
    """

    def __init__(self) -> None:
        # Hashes take less memory than names; of 64 bits, no two names share one in practice.
        self._seen: set[int] = set()
        self._repeated: dict[str, int] = {}

    def numbered(self, entry: Entry) -> Entry:
        """Return the entry under a name that no entry before it has."""
        if not entry.name:
            return entry
        name = entry.name
        if (key := hash(name)) not in self._seen:
            self._seen.add(key)
            return entry
        number = self._repeated.get(name, 1)
        while key in self._seen:
            number += 1
            key = hash(f"{name}#{number}")
        self._seen.add(key)
        self._repeated[name] = number
        return entry._replace(name=f"{name}#{number}")
