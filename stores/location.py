"""Names of objects that are spoken of as `pathlib` speaks of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from stores.errors import Missing
from stores.opening import scheme_of, store_for

_MOST = 1 << 40


class Location:
    """A name in a store: `gs://bucket/a/b`. There are no folders, but names have parts.

    What goes wrong is a `StoreError`; a missing object is a FileNotFoundError, as of a path.
    """

    def __init__(self, uri: str) -> None:
        self._scheme, _, path = uri.partition("://")
        self._path = PurePosixPath(path)

    def __truediv__(self, part: str) -> Location:
        return Location(f"{self}/{part}")

    def __str__(self) -> str:
        return f"{self._scheme}://{self._path}"

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and str(self) == str(other)

    def __lt__(self, other: Location) -> bool:
        return str(self) < str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def name(self) -> str:
        """The last part."""
        return self._path.name

    @property
    def suffix(self) -> str:
        """The last part's ending, with its dot."""
        return self._path.suffix

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return self._path.stem

    @property
    def parent(self) -> Location:
        """All but the last part."""
        return Location(f"{self._scheme}://{self._path.parent}")

    def with_name(self, name: str) -> Location:
        """The same with another last part."""
        return self.parent / name

    def read_bytes(self) -> bytes:
        """The object, whole."""
        try:
            return store_for(str(self)).read(str(self), _MOST)
        except Missing as error:
            raise FileNotFoundError(f"{self}: {error}") from error

    def read_text(self, encoding: str = "utf-8") -> str:
        """The object as text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data: bytes) -> None:
        """Write the object, whole or not at all."""
        store_for(str(self)).write(str(self), data)

    def exists(self) -> bool:
        """Whether there is an object of this very name."""
        try:
            store_for(str(self)).info(str(self))
        except Missing:
            return False
        return True

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        if not missing_ok and not self.exists():
            raise FileNotFoundError(str(self))
        store_for(str(self)).remove(str(self))

    def iterdir(self) -> Iterator[Location]:
        """What is directly below this name: objects, and names that objects lie below."""
        start = len(str(self)) + 1
        last = ""
        for found in store_for(str(self)).list(f"{self}/"):
            name = found.uri[start:].partition("/")[0]
            if name != last:
                last = name
                yield self / name

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: objects need no folder."""


AnyPath: TypeAlias = Path | Location
"""A local path or a name in a store."""


def location(text: str | Path) -> AnyPath:
    """The path that a name stands for: a `Path`, or a `Location` of gs:// and s3://.

    Raises:
        ValueError: the scheme is of something that cannot be written.
    """
    if isinstance(text, Path):
        return text
    match scheme := scheme_of(text):
        case "file":
            return Path(text)
        case "gs" | "s3":
            return Location(text)
        case _:
            raise ValueError(
                f"{text}: {scheme}:// cannot be written. Use a local, gs:// or s3:// name."
            )
