"""Handles: what a user writes to name a module, and the files that it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hub_modules.cache import Cache
from hub_modules.digest import PREFIX
from hub_modules.errors import ModuleError

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
        if found and not _HEX_DIGITS.fullmatch(digits):
            raise ModuleError(
                f"{handle!r}: its pin is not {PREFIX} and 64 lower-case hexadecimal digits. "
                "Copy the digest that `imagebeam module show` prints."
            )
        if not text:
            raise ModuleError(f"{handle!r}: names no module. Give a path or a URL of one.")
        return cls(text, PREFIX + digits if found else None)


def resolve(text: str, cache: Cache | None) -> Path:
    """The local directory or `.tflite` file that the handle `text` stands for.

    Raises:
        ModuleError: there is nothing, or nothing that is a module.
    """
    path = Path(text).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".tflite"):
        return path
    if path.exists():
        raise ModuleError(
            f"{text!r}: neither a directory, a .tar.gz nor a .tflite file. Give a module."
        )
    raise ModuleError(f"{text!r}: no such module. Check the path.")
