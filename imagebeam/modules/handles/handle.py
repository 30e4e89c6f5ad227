"""Handles: the names of modules that users write, and the files they refer to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from imagebeam.modules.errors import ModuleError, no_graph
from imagebeam.modules.handles.archives import module_root, unpack
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest import PREFIX, digest_of_file
from imagebeam.modules.handles.urls import fetch, is_url
from imagebeam.modules.types import ARCHIVE_SUFFIXES, FLATBUFFER_SUFFIX, GRAPH_FILE

_PIN = "@sha256:"
_HEX_DIGITS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Handle:
    """The parts of a handle.

    Attributes:
        text: path or URL, without the pin.
        pin: the required digest of the module, "sha256:...", or None.
    """

    text: str
    pin: str | None

    @classmethod
    def parse(cls, handle: str) -> Handle:
        """Split off the pin of `handle`.

        Raises:
            ModuleError: `handle` is empty, or its pin is not 64 hexadecimal digits.
        """
        text, found, digits = handle.rpartition(_PIN)
        if not found:
            text, digits = handle, ""
        elif not _HEX_DIGITS.fullmatch(digits):
            raise ModuleError(
                f"{handle!r}: its pin is not {PREFIX} and 64 lower-case hexadecimal digits. "
                "Copy the digest that `imagebeam module show` prints."
            )
        if not text:
            raise ModuleError(f"{handle!r}: an empty handle. Give the path or URL of a module.")
        return cls(text, PREFIX + digits if found else None)


def resolve(text: str, cache: Cache) -> Path:
    """Find the local directory or `.tflite` file that the handle `text` refers to.

    Archives are unpacked into `cache` once. URLs are fetched into it, or taken from the cache of
    `tensorflow_hub`. A module in a bucket is fetched again when it has changed.

    Raises:
        ModuleError: `text` refers to nothing, or not to a module.
    """
    path = fetch(text, cache) if is_url(text) else Path(text).expanduser()
    if path.is_dir():
        _check_directory(path, text)
        return path
    if not path.is_file():
        raise ModuleError(f"{text!r}: there is no such module. Check the path.")
    if path.name.endswith(ARCHIVE_SUFFIXES):
        key = digest_of_file(path).removeprefix(PREFIX)
        root = module_root(cache.entry("unpacked", key, lambda to: unpack(path, to)), GRAPH_FILE)
        _check_directory(root, text)
        return root
    if path.suffix != FLATBUFFER_SUFFIX:
        raise ModuleError(
            f"{text!r}: not a directory, {', '.join(ARCHIVE_SUFFIXES)} or "
            f"{FLATBUFFER_SUFFIX} file. Give a TF-Hub module."
        )
    return path


def _check_directory(path: Path, text: str) -> None:
    if not (path / GRAPH_FILE).is_file():
        raise no_graph(text)
