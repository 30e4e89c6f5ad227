"""What makes two runs into one output the same job, and what must not be mixed."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imagebeam.outputs import compact
from imagebeam.outputs.layout import (
    FORMATS,
    Layout,
    OutputError,
    remove_below,
    remove_temporaries,
    temporaries,
    unusable,
    write_whole,
)
from imagebeam.outputs.schema import EMITTED
from imagebeam.storage import AnyPath, Location

_DECIDES_ROWS = (
    *("module_digest", "engine", "image_size", "resize"),
    *("emit", "top_k", "labels", "format", "kept"),
)
"""What a row's values depend on. The module's name, the versions and the limits may differ."""


def read(root: AnyPath) -> tuple[Layout, dict[str, Any]]:
    """The output of a job, opened for reading: its layout, and what makes it that job's.

    Raises:
        OutputError: the folder is no output.
        ConnectionError: its store does not tell.
    """
    try:
        identity = dict(json.loads(Layout(root).identity.read_text(encoding="utf-8")))
        if identity["format"] not in FORMATS or not {*identity["emit"]} <= {*EMITTED}:
            raise ValueError("its identity is of another version")
        return Layout(root, identity["format"]), identity
    except ConnectionError:
        raise
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise OutputError(
            f"{root}: no output of imagebeam ({error}). Name the --output of a job."
        ) from error


def claim(layout: Layout, identity: Mapping[str, Any], overwrite: bool) -> None:
    """Make the output folder ready for a job, or refuse it.

    Args:
        layout: of the folder.
        identity: of the job; holds at least what decides a row's values.
        overwrite: delete what an earlier job left.

    Raises:
        OutputError: the folder cannot be written, holds something else, or rows of another job.
    """
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        if overwrite and layout.identity.exists():
            _clear(layout)
        else:
            check(layout, identity)
            compact.recover(layout)
        # First of all: killed right after, the folder is known as ours.
        layout.job.mkdir(exist_ok=True)
        write_whole(layout.identity, (json.dumps(identity, indent=2) + "\n").encode())
        for folder in (layout.predictions, layout.errors):
            folder.mkdir(exist_ok=True)
        remove_temporaries(layout)
        # A finished account speaks of the run that wrote it, not of the one that starts.
        layout.summary.unlink(missing_ok=True)
        layout.plan.unlink(missing_ok=True)
    except OSError as error:
        raise unusable(layout, error) from error


def check(layout: Layout, identity: Mapping[str, Any]) -> bool:
    """See that a folder is a job's own, or nobody's; looks and changes nothing.

    Args:
        layout: of the folder, which must exist.
        identity: of the job; holds at least what decides a row's values.

    Returns:
        Whether an earlier run of the job has been here.

    Raises:
        OutputError: the folder holds something else, or rows of another job.
    """
    try:
        earlier = json.loads(layout.identity.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if (stranger := _stranger(layout)) is not None:
            raise OutputError(
                f"{layout.root}: holds {stranger!r} and no job of ours. Choose an --output "
                "folder that is new or empty."
            ) from None
        return False
    except ValueError as error:
        raise OutputError(
            f"{layout.identity}: damaged ({error}). Run with --overwrite to start afresh."
        ) from error
    differences = [
        f"{name.replace('_', ' ')} is {identity.get(name)!r}, was {earlier.get(name)!r}"
        for name in _DECIDES_ROWS
        if identity.get(name) != earlier.get(name)
    ]
    if differences:
        raise OutputError(
            f"{layout.root}: belongs to another job: {'; '.join(differences)}. Choose another "
            "--output, repeat the earlier options, or start afresh with --overwrite."
        )
    return True


def _stranger(layout: Layout) -> str | None:
    """What lies in the folder, but for what a claim leaves that is killed before its identity."""
    ours = {layout.lease, *temporaries(layout.job)}
    for entry in _by_name(layout.root):
        if entry != layout.job or any(path not in ours for path in layout.job.iterdir()):
            return entry.name
    return None


def _by_name(folder: AnyPath) -> Iterable[AnyPath]:
    # A store lists by name, and may list for hours: the first name is all that is asked for.
    return folder.iterdir() if isinstance(folder, Location) else sorted(folder.iterdir())


def _clear(layout: Layout) -> None:
    """Delete all but the identity: until it is replaced it tells that the folder is ours."""
    layout.summary.unlink(missing_ok=True)
    layout.report.unlink(missing_ok=True)
    for folder in (layout.predictions, layout.errors):
        remove_below(folder)
    for path in layout.job.iterdir():
        if path not in (layout.identity, layout.lease):
            path.unlink()


def names_digest(names: Sequence[str] | None) -> str | None:
    """What stands for the class names in an identity; None where indices are the names."""
    return None if names is None else hashlib.sha256("\n".join(names).encode()).hexdigest()
