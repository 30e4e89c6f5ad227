"""Values that `--keep` takes from inside archives: from files beside an image, or from its record.

All of them are text, so that a column has one type whatever the first image holds.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from imagebeam.images.containers.types import (
    CONTAINER_ERRORS,
    Entry,
    MemberProblem,
)
from imagebeam.images.errors import BadMember

MOST_BYTES = 1_000_000
"""Size of a file beside an image, or of a value in a record, that is copied to rows."""

_MOST_WAITING = 1_000
"""Images of one sample. A sample with more is listed in parts."""

_SAMPLE = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)


class Sidecar(NamedTuple):
    """A file beside an image, such as `0001.cls` beside `0001.jpg`.

    Attributes:
        name: in the archive.
        data: its content; None if it has more than `MOST_BYTES`.
    """

    name: str
    data: bytes | None


class Sidecars:
    """Adds to images the values of the files beside them, which webdataset writes next to them.

    Args:
        columns: the extensions of these files, such as `cls`; `json.KEY` is a value in a JSON file.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._extensions = {_extension(column) for column in columns}

    def takes(self, name: str) -> bool:
        """Return whether a file has one of the extensions."""
        return _split(name)[1] in self._extensions

    def has_extension(self, name: str) -> bool:
        """Return whether the name of a file ends with one of the extensions."""
        return name.lower().endswith(tuple(f".{extension}" for extension in self._extensions))

    def values(self, image: str, content: Callable[[str], bytes | None]) -> tuple[str | None, ...]:
        """Return the values of the files beside an image that can be found by name.

        Args:
            image: its name.
            content: returns the content of a file by its name; None if there is no such file.

        Raises:
            BadMember: a value is no text, or too long.
        """
        stems = dict.fromkeys((posixpath.splitext(image)[0], _split(image)[0]))
        found: dict[str, bytes | None] = {}
        for extension in self._extensions:
            for name in (f"{stem}.{extension}" for stem in stems):
                if (data := content(name)) is not None:
                    found[extension] = data
                    break
        return self._of(found)

    def added(self, found: Iterable[Entry | Sidecar]) -> Iterator[Entry]:
        """Yield the images with their values, in order."""
        sample, files = "", dict[str, bytes | None]()
        waiting: list[Entry] = []
        try:
            for each in found:
                name, extension = _split(each.name)
                if name != sample or len(waiting) == _MOST_WAITING:
                    yield from self._filled(waiting, files)
                    waiting = []
                    files = files if name == sample else {}
                    sample = name
                if isinstance(each, Sidecar):
                    files[extension] = each.data
                else:
                    waiting.append(each)
        except CONTAINER_ERRORS:
            yield from self._filled(waiting, files)
            raise
        yield from self._filled(waiting, files)

    def _filled(self, images: list[Entry], files: dict[str, bytes | None]) -> Iterator[Entry]:
        for image in images:
            # An image of an archive in the archive has the values beside it there.
            if image.kept or not image.name:
                yield image
                continue
            try:
                yield image._replace(kept=self._of(files))
            except BadMember as error:
                yield problem(image, error, len(self._columns))

    def _of(self, files: dict[str, bytes | None]) -> tuple[str | None, ...]:
        return tuple(_value(each, files) for each in self._columns)


def problem(entry: Entry, error: BadMember, columns: int) -> MemberProblem:
    """Return an entry as one whose values cannot be kept."""
    reason = entry.error if isinstance(entry, MemberProblem) else error
    return MemberProblem(entry.name, reason, (None,) * columns)


def of_features(features: Any, columns: Sequence[str]) -> tuple[str | None, ...]:
    """Return values of an Example: the text of a single value, else a JSON array.

    Args:
        features: the map of an Example.
        columns: its keys to keep.

    Raises:
        BadMember: a value is no text, or too long.
    """
    # Indexing a protobuf map adds the key to it.
    return tuple(_feature(features[key], key) if key in features else None for key in columns)


def _feature(feature: Any, key: str) -> str | None:
    if feature.ByteSize() > MOST_BYTES:
        raise _too_large(key, feature.ByteSize())
    kind = feature.WhichOneof("kind")
    if kind is None:
        return None
    found = list(getattr(feature, kind).value)
    if kind == "bytes_list":
        found = [_text(value, key) for value in found]
    elif kind == "float_list":
        # The shortest text that stands for the 32-bit number.
        found = [float(str(np.float32(value))) for value in found]
    if len(found) != 1:
        return json.dumps(found, ensure_ascii=False) if found else None
    return found[0] if isinstance(found[0], str) else json.dumps(found[0])


def _split(name: str) -> tuple[str, str]:
    """Return sample and extension as webdataset does: the first dot of a file name ends it."""
    match = _SAMPLE.fullmatch(name)
    return (match[1], match[2].lower()) if match else (name, "")


def _extension(column: str) -> str:
    return "json" if column.startswith("json.") else column.lower()


def _value(column: str, files: dict[str, bytes | None]) -> str | None:
    extension = _extension(column)
    if extension not in files:
        return None
    data = files[extension]
    if data is None:
        raise _too_large(f".{extension}", None)
    text = _text(data, f".{extension}").strip()
    return _json_value(text, column) if extension != column.lower() else text


def _json_value(text: str, column: str) -> str | None:
    key = column.removeprefix("json.")
    try:
        value = json.loads(text)
        if isinstance(value, dict) and key in value:
            value = value[key]
        else:
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
        if value is None or isinstance(value, str):
            return None if value is None else value.encode("utf-8", "replace").decode()
        return json.dumps(value)
    except (ValueError, RecursionError) as error:
        raise BadMember(f"the .json beside it is not valid JSON: {error}") from error


def _text(data: bytes, source: str) -> str:
    if len(data) > MOST_BYTES:
        raise _too_large(source, len(data))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadMember(f"`{source}`, which is to be kept, is not UTF-8 text") from error


def _too_large(source: str, size: int | None) -> BadMember:
    found = f"{size:,} bytes, " if size is not None else ""
    return BadMember(f"`{source}`, which is to be kept, has {found}more than {MOST_BYTES:,} bytes")
