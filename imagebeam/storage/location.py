"""Names of objects that are spoken of as `pathlib` speaks of files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, TypeAlias, cast

from imagebeam.storage import uris
from imagebeam.storage.errors import (
    Changed,
    Denied,
    Missing,
    NoCredentials,
    StoreError,
    UnwritableName,
)
from imagebeam.storage.registry import store_for
from imagebeam.storage.types import ObjectInfo, Store

_MOST = 1 << 40


class Stat(NamedTuple):
    """What `os.stat` tells of a file, as far as a store knows it of an object."""

    st_size: int
    st_mtime: float


class Location:
    """A name in a store: `gs://bucket/a/b`. There are no folders, but names have parts.

    What goes wrong is an OSError with the name, as of a path: FileNotFoundError, PermissionError,
    or a ConnectionError where the store gives no usable answer.
    """

    def __init__(self, uri: str) -> None:
        scheme, _, path = uri.partition("://")
        self._scheme = scheme.lower()
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

    def absolute(self) -> Location:
        """The same: no name starts elsewhere."""
        return self

    def read_bytes(self) -> bytes:
        """The object, whole."""
        with self.named_errors():
            return self._store.read(str(self), _MOST)

    def read_text(self, encoding: str = "utf-8") -> str:
        """The object as text."""
        return self.read_bytes().decode(encoding)

    @contextmanager
    def open(self, mode: str = "rb") -> Iterator[IO[bytes]]:
        """The object as a file that can be sought in, for a `with` statement."""
        assert mode == "rb"
        with self.named_errors(), self._store.open(str(self)) as file:
            yield cast(IO[bytes], file)

    def write_bytes(self, data: bytes) -> None:
        """Write the object, whole or not at all."""
        with self.named_errors():
            self._store.write(str(self), data)

    def exists(self) -> bool:
        """Whether there is an object of this very name."""
        try:
            with self.named_errors():
                self._store.info(str(self))
        except FileNotFoundError:
            return False
        return True

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        if not missing_ok and not self.exists():
            raise FileNotFoundError(errno.ENOENT, "no such object", str(self))
        with self.named_errors():
            self._store.remove(str(self))

    def iterdir(self) -> Iterator[Location]:
        """What is directly below this name: objects, and names that objects lie below."""
        last = ""
        for found in self.below():
            name = found._path.parts[len(self._path.parts)]
            if name != last:
                last = name
                yield self / name

    def below(self) -> Iterator[Location]:
        """All objects below this name, however deep."""
        return (found for found, _ in self.stats())

    def stats(self) -> Iterator[tuple[Location, Stat]]:
        """All objects below this name, with what a listing tells of them."""
        with self.named_errors():
            for found in self._store.list(f"{self}/"):
                # Consoles make empty objects that end in a slash, to look like folders.
                if not found.uri.endswith("/"):
                    yield Location(found.uri), _stat(found)

    def stat(self) -> Stat:
        """What there is to know of the object."""
        with self.named_errors():
            return _stat(self._store.info(str(self)))

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: objects need no folder."""

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Raise what goes wrong inside as an OSError with this name."""
        try:
            yield
        except StoreError as error:
            reason = str(error)
            match error:
                # A version that was replaced is gone too.
                case Missing() | Changed():
                    raise FileNotFoundError(errno.ENOENT, reason, str(self)) from error
                case Denied() | NoCredentials():
                    raise PermissionError(errno.EACCES, reason, str(self)) from error
                case _:
                    raise ConnectionError(errno.EIO, reason, str(self)) from error

    @property
    def _store(self) -> Store:
        return store_for(str(self))


def _stat(info: ObjectInfo) -> Stat:
    return Stat(info.size or 0, info.modified or 0.0)


AnyPath: TypeAlias = Path | Location
"""A local path or a name in a store."""


def location(text: str | Path) -> AnyPath:
    """The path that a name stands for: a `Path`, or a `Location` of gs:// and s3://.

    Raises:
        UnwritableName: the scheme is of something that cannot be written, or no bucket is named.
    """
    if isinstance(text, Path):
        return text
    match scheme := uris.scheme(text):
        case "file":
            return Path(uris.to_path(text))
        case "gs" | "s3":
            if not text.partition("://")[2].partition("/")[0]:
                raise UnwritableName(f"{text}: names no bucket. Give {scheme}://BUCKET/FOLDER.")
            return Location(text)
        case _:
            # Not the name: it may hold a secret.
            raise UnwritableName(
                f"{scheme}://…: cannot be written. Give a local folder, gs://… or s3://…."
            )
