"""Values that `--keep` takes from inside archives: from files beside an image, or from its record.

All of them are text, so that a column has one type whatever the first image holds.
"""

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.containers.examples import Features
from imagebeam.images.containers.types import Entry, MemberProblem
from imagebeam.images.errors import BadMember

MOST_BYTES = 1_000_000
"""Size of a file beside an image, or of a value in a record, that is copied to rows."""

_MOST_WAITING = 1_000
"""Images of one sample. A sample with more is listed in parts."""

_MOST_HELD = 64_000_000
"""Bytes of the files of one sample, likewise."""

_SAMPLE = re.compile(r"((?:.*/)?[^./]+)\.[^/]*", re.DOTALL)


class Sidecar(NamedTuple):
    """A file beside an image, such as `0001.cls` beside `0001.jpg`.

    Attributes:
        name: in the archive.
        data: its content, up to a byte more than `MOST_BYTES`.
    """

    name: str
    data: bytes


class Sidecars:
    """Adds to images the values of the files beside them, which webdataset writes next to them.

    Args:
        columns: the extensions of these files, such as `cls`; `json.KEY` is a value in a JSON file.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._extensions = {_extension(column) for column in columns}

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
        # For `a.b.jpg`: the file `a.b.txt`, `a.b.jpg.txt` as some programs write it, or `a.txt`.
        stems = dict.fromkeys((posixpath.splitext(image)[0], image, _sample(image)))
        found: dict[str, bytes] = {}
        for extension in self._extensions:
            for stem, ending in product(stems, (extension, extension.upper())):
                if (data := content(f"{stem}.{ending}")) is not None:
                    found[extension] = data
                    break
        return tuple(_value(each, found) for each in self._columns)

    def added(self, found: Iterable[Entry | Sidecar]) -> Iterator[Entry]:
        """Yield the images with their values, in order.

        A sample that comes again right behind itself, file by file, is another one.
        """
        sample, first, last = "", "", ""
        files: dict[str, bytes] = {}
        waiting: list[Entry] = []
        held = 0
        try:
            for each in found:
                name = _sample(each.name)
                is_other = name != sample or (each.name == first != last)
                # A file may belong to the image before it, so a part ends before an image.
                is_full = held > _MOST_HELD or len(waiting) >= _MOST_WAITING
                ends = is_full and (held > 2 * _MOST_HELD or not isinstance(each, Sidecar))
                if is_other or ends:
                    yield from self._filled(waiting, files)
                    waiting = []
                    shared = {f"{sample}.{ending}" for ending in self._extensions}
                    shared = set() if is_other else {*shared, sidecar_key(last)}
                    files = {key: data for key, data in files.items() if key in shared}
                    held = sum(map(len, files.values()))
                if is_other:
                    sample, first = name, each.name
                last = each.name
                if isinstance(each, Sidecar):
                    files[sidecar_key(each.name)] = each.data
                    held += len(each.data)
                else:
                    waiting.append(each)
        except ContainerError:
            yield from self._filled(waiting, files)
            raise
        yield from self._filled(waiting, files)

    def _filled(self, images: list[Entry], files: dict[str, bytes]) -> Iterator[Entry]:
        for image in images:
            # An image of an archive in the archive has the values beside it there.
            if image.kept or not image.name:
                yield image
                continue
            try:
                yield image._replace(kept=self.values(image.name, files.get))
            except BadMember as error:
                yield problem(image, error, len(self._columns))


def problem(entry: Entry, error: BadMember, columns: int) -> MemberProblem:
    """Return an entry as one whose values cannot be kept."""
    reason = entry.error if isinstance(entry, MemberProblem) else error
    return MemberProblem(entry.name, reason, (None,) * columns)


def of_features(features: Features, columns: Sequence[str]) -> tuple[str | None, ...]:
    """Return values of an Example: the text of a single value, else a JSON array.

    Args:
        features: the features of the Example.
        columns: its keys to keep.

    Raises:
        BadMember: a value is no text, or too long.
    """
    return tuple(_feature(features, key) for key in columns)


def _feature(features: Features, key: str) -> str | None:
    size = len(features.payloads.get(key, b""))
    if size > MOST_BYTES:
        raise _too_large(key)
    kind, found = features.values(key)
    if kind == "bytes":
        found = [_text(value, key) for value in found]
    elif kind == "float":
        # The shortest text that stands for the 32-bit number.
        found = [float(str(np.float32(value))) for value in found]
    if len(found) != 1:
        return json.dumps(found, ensure_ascii=False) if found else None
    return found[0] if isinstance(found[0], str) else json.dumps(found[0])


def sidecar_key(name: str) -> str:
    """Return a name under which a file is found, whatever the case of its extension."""
    stem, dot, extension = name.rpartition(".")
    return f"{stem}{dot}{extension.lower()}"


def _sample(name: str) -> str:
    """Return the sample of a file as webdataset does: the first dot of a file name ends it."""
    match = _SAMPLE.fullmatch(name)
    return match[1] if match else name


def _extension(column: str) -> str:
    return "json" if column.startswith("json.") else column.lower()


def _value(column: str, files: dict[str, bytes]) -> str | None:
    extension = _extension(column)
    if extension not in files:
        return None
    text = _text(files[extension], f".{extension}").strip()
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
        raise _too_large(source)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadMember(f"`{source}`, which is to be kept, is not UTF-8 text") from error


def _too_large(source: str) -> BadMember:
    return BadMember(f"`{source}`, which is to be kept, has more than {MOST_BYTES:,} bytes")
