"""Numbers for members that share a name, so that each has a URI of its own."""

import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from imagebeam.images.containers.types import Entry

_AT_ONCE = 1_000
_MOST_IN_MEMORY = 16_000_000
"""Bytes of entries that are held before a file takes them."""


def numbered_after_the_first(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield entries as they come; the second of a name is called `NAME#2`, the third `NAME#3`.

    For containers whose members are equal, and for those that are only looked at.
    """
    names = _Names()
    for entry in entries:
        if not entry.name or names.is_new(entry.name):
            yield entry
        else:
            yield entry._replace(name=names.numbered(entry.name, first=2))


def numbered_before_the_last(
    entries: Iterable[Entry],
    found: Callable[[int], object] = lambda number: None,
    bytes_in_memory: int = _MOST_IN_MEMORY,
) -> Iterator[Entry]:
    """Yield entries once all are known; the last of a name keeps it, because it is the valid one.

    Those before it are called `NAME#1`, `NAME#2` and so on. A file holds the entries meanwhile, so
    that the container is read only once. An exception of the entries is raised after those before
    it were yielded.

    Args:
        entries: the entries of one container.
        found: is called with the number of further entries while they are collected.
        bytes_in_memory: the bytes of entries in memory; a file holds more.

    Raises:
        OSError: there is no room for that file.
    """
    names, repeated = _Names(), Counter[str]()
    problem: Exception | None = None
    source = iter(entries)
    with tempfile.SpooledTemporaryFile(bytes_in_memory) as waiting:
        while problem is None:
            some: list[Entry] = []
            try:
                for entry in islice(source, _AT_ONCE):
                    some.append(entry)
            except Exception as error:
                problem = error
            if not some:
                break
            found(len(some))
            repeated.update(
                entry.name for entry in some if entry.name and not names.is_new(entry.name)
            )
            try:
                pickle.dump(some, waiting, pickle.HIGHEST_PROTOCOL)
            except OSError as error:
                place = f"the list of its members has no room in {tempfile.gettempdir()}"
                raise OSError(error.errno, f"{place}: {error.strerror}") from error
        end = waiting.tell()
        waiting.seek(0)
        while waiting.tell() < end:
            for entry in pickle.load(waiting):
                if repeated[entry.name] > 0:
                    repeated[entry.name] -= 1
                    yield entry._replace(name=names.numbered(entry.name, first=1))
                else:
                    yield entry
    if problem is not None:
        try:
            raise problem
        finally:
            # The error refers to this frame, and would keep the open file alive.
            problem = None


class _Names:
    """The names of the members of one container."""

    def __init__(self) -> None:
        # Hashes take less memory than names; of 64 bits, no two names share one in practice.
        self._seen: set[int] = set()
        self._numbers: dict[str, int] = {}

    def is_new(self, name: str) -> bool:
        """Return whether a name comes for the first time."""
        count = len(self._seen)
        self._seen.add(hash(name))
        return len(self._seen) > count

    def numbered(self, name: str, first: int) -> str:
        """Return a name with the next number that gives a new one."""
        number = self._numbers.get(name, first)
        while not self.is_new(f"{name}#{number}"):
            number += 1
        self._numbers[name] = number + 1
        return f"{name}#{number}"
