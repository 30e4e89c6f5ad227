"""The folder of an unfinished training run, and what it may be continued with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.storage.atomic_files import leftovers, write_file

_FILE = "run.json"


def claim(state: Path, settings: Mapping[str, Any]) -> None:
    """Make `state` the folder of the run with these `settings`, or see that it already is.

    Args:
        state: made if it is not there.
        settings: JSON values that decide what a run learns.

    Raises:
        NetworkError: the folder is that of a run with other settings, or of something else.
    """
    file = state / _FILE
    wanted = json.loads(json.dumps(settings))
    state.mkdir(parents=True, exist_ok=True)
    for leftover in leftovers(state, _FILE):
        leftover.unlink(missing_ok=True)
    if not any(state.iterdir()):
        write_file(file, (json.dumps(wanted, indent=2, sort_keys=True) + "\n").encode())
        return
    begun = _read(file)
    changed = sorted(key for key in begun.keys() | wanted if begun.get(key) != wanted.get(key))
    if changed:
        differences = ", ".join(
            f"{key} was {begun.get(key)} and is {wanted.get(key)}" for key in changed
        )
        raise NetworkError(
            f"{state}: holds a run that began otherwise: {differences}. "
            "Repeat its options to continue it, or remove the folder to begin anew."
        )


def _read(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NetworkError(
            f"{file.parent}: is no folder of a training run: {error}. Remove it or name another."
        ) from error
    if not isinstance(settings, dict):
        raise NetworkError(f"{file}: is no description of a run. Remove its folder.")
    return settings
