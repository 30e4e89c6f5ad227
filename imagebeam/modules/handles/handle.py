"""Handles: what a user writes to name a module, and the files that it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.archives import module_root, unpack
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest import PREFIX, digest_of_file
from imagebeam.modules.handles.urls import fetch, is_url
from imagebeam.modules.layout import ARCHIVE_SUFFIXES, FLATBUFFER_SUFFIX, GRAPH_FILE, no_graph

_PIN = "@sha256:"
_HEX_DIGITS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Handle:
    """A handle in its parts.

    Attributes:
        text: path or URL, without the pin.
        pin: the digest that the module must have, "sha256:...", or None.
    """

    text: str
    pin: str | None

    @classmethod
    def parse(cls, handle: str) -> Handle:
        """Split off the pin of `handle`.

        Raises:
            ModuleError: empty, or its pin is not 64 hexadecimal digits.
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
            raise ModuleError(f"{handle!r}: names no module. Give a path or a URL of one.")
        return cls(text, PREFIX + digits if found else None)


def resolve(text: str, cache: Cache) -> Path:
    """The local directory or `.tflite` file that the handle `text` stands for.

    Archives are unpacked into `cache` once; URLs are fetched into it, or taken from TF-Hub's own
    cache. What lies in a bucket is fetched anew when it has changed.

    Raises:
        ModuleError: there is nothing, or nothing that can be a module.
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
            f"{text!r}: neither a directory nor a {', '.join(ARCHIVE_SUFFIXES)} or "
            f"{FLATBUFFER_SUFFIX} file. Give a module of TF-Hub."
        )
    return path


def _check_directory(path: Path, text: str) -> None:
    if not (path / GRAPH_FILE).is_file():
        raise no_graph(text)
