"""Names of objects with the interface of `pathlib.Path`."""

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
    """The part of `os.stat_result` that a store knows of an object."""

    st_size: int
    st_mtime: float


class Location:
    """A name in a store: `gs://bucket/a/b`. There are no folders, but names have parts.

    Failures are OSErrors with the name, as for a path: FileNotFoundError, PermissionError, or a
    ConnectionError where the store gives no usable response.
    """

    def __init__(self, uri: str) -> None:
        scheme, _, path = uri.partition("://")
        self._scheme = scheme.lower()
        self._path = PurePosixPath(path)

    def __truediv__(self, part: str) -> "Location":
        return Location(f"{self}/{part}")

    def __str__(self) -> str:
        return f"{self._scheme}://{self._path}"

    def __repr__(self) -> str:
        return f"Location({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and str(self) == str(other)

    def __lt__(self, other: "Location") -> bool:
        return str(self) < str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def name(self) -> str:
        """Return the last part of the name."""
        return self._path.name

    @property
    def suffix(self) -> str:
        """Return the suffix of the last part, with its dot."""
        return self._path.suffix

    @property
    def stem(self) -> str:
        """Return the last part without its suffix."""
        return self._path.stem

    @property
    def parent(self) -> "Location":
        """Return the name without its last part."""
        return Location(f"{self._scheme}://{self._path.parent}")

    def with_name(self, name: str) -> "Location":
        """Return the name with another last part."""
        return self.parent / name

    def absolute(self) -> "Location":
        """Return the name itself: no name is relative."""
        return self

    def read_bytes(self) -> bytes:
        """Read the whole object."""
        with self.named_errors():
            return self._store.read(str(self), _MOST)

    def read_text(self, encoding: str = "utf-8") -> str:
        """Read the whole object as text."""
        return self.read_bytes().decode(encoding)

    @contextmanager
    def open(self, mode: str = "rb") -> Iterator[IO[bytes]]:
        """Open the object as a seekable file, for a `with` statement."""
        assert mode == "rb"
        with self.named_errors(), self._store.open(str(self)) as file:
            yield cast(IO[bytes], file)

    def write_bytes(self, data: bytes) -> None:
        """Write the object, whole or not at all."""
        with self.named_errors():
            self._store.write(str(self), data)

    def exists(self) -> bool:
        """Return whether there is an object of exactly this name."""
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

    def iterdir(self) -> "Iterator[Location]":
        """Yield the names directly below this one, of objects and of what looks like folders."""
        last = ""
        for location in self.below():
            name = location._path.parts[len(self._path.parts)]
            if name != last:
                last = name
                yield self / name

    def below(self) -> "Iterator[Location]":
        """Yield all objects below this name, at any depth."""
        return (location for location, _ in self.stats())

    def stats(self) -> "Iterator[tuple[Location, Stat]]":
        """Yield all objects below this name, with their sizes and times."""
        with self.named_errors():
            for info in self._store.list(f"{self}/"):
                # Consoles make empty objects that end in a slash, to look like folders.
                if not info.uri.endswith("/"):
                    yield Location(info.uri), _stat(info)

    def stat(self) -> Stat:
        """Return size and time of the object."""
        with self.named_errors():
            return _stat(self._store.info(str(self)))

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Do nothing: objects need no folder."""

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Raise a StoreError of the block as an OSError with this name."""
        try:
            yield
        except StoreError as error:
            reason = str(error)
            match error:
                # A replaced version no longer exists either.
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
    """Return the path that a name stands for: a `Path`, or a `Location` of gs:// and s3://.

    Raises:
        UnwritableName: nothing with this scheme can be written, or the name lacks a bucket.
    """
    if isinstance(text, Path):
        return text
    match scheme := uris.scheme(text):
        case "file":
            path = uris.to_path(text)
            if path != text and not path.startswith("/"):
                raise UnwritableName(
                    f"{text}: names a machine, not a file of this one. Write file:/// before the "
                    "path."
                )
            return Path(path)
        case "gs" | "s3":
            if not text.partition("://")[2].partition("/")[0]:
                raise UnwritableName(f"{text}: names no bucket. Give {scheme}://BUCKET/FOLDER.")
            return Location(text)
        case _:
            # The name is left out because it may hold a secret.
            raise UnwritableName(
                f"{scheme}://…: cannot be written. Give a local folder, gs://… or s3://…."
            )
