"""What makes two runs into one output the same job, and what must not be mixed."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from results.layout import Layout, OutputError, remove_temporaries, write_whole

_DECIDES_ROWS = (
    *("module_digest", "engine", "image_size", "resize"),
    *("emit", "top_k", "labels", "format"),
)
"""What a row's values depend on. The module's name, the versions and the limits may differ."""


def claim(layout: Layout, identity: Mapping[str, Any], overwrite: bool) -> None:
    """Make the output folder ready for a job, or refuse it.

    Args:
        layout: of the folder; it is made if it does not exist.
        identity: of the job; holds at least what decides a row's values.
        overwrite: delete what an earlier job left.

    Raises:
        OutputError: the folder cannot be written, holds something else, or rows of another job.
    """
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        if overwrite:
            _clear(layout)
        _check(layout, identity)
        for folder in (layout.predictions, layout.errors, layout.job):
            folder.mkdir(exist_ok=True)
        remove_temporaries(layout)
        # A finished account speaks of the run that wrote it, not of the one that starts.
        layout.summary.unlink(missing_ok=True)
        layout.plan.unlink(missing_ok=True)
        write_whole(layout.identity, (json.dumps(identity, indent=2) + "\n").encode())
    except OSError as error:
        raise OutputError(
            f"{error.filename or layout.root}: {error.strerror or error}. Choose an --output that "
            "can be written."
        ) from error


def _check(layout: Layout, identity: Mapping[str, Any]) -> None:
    try:
        earlier = json.loads(layout.identity.read_text(encoding="utf-8"))
    except FileNotFoundError:
        strangers = sorted(entry.name for entry in layout.root.iterdir())
        if strangers:
            raise OutputError(
                f"{layout.root}: holds {strangers[0]!r} and no job of ours. Choose an --output "
                "folder that is new or empty."
            ) from None
        return
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


def _clear(layout: Layout) -> None:
    if layout.identity.exists():
        layout.summary.unlink(missing_ok=True)
        # The identity goes last: killed before, the folder is still known as ours.
        for folder in (layout.predictions, layout.errors, layout.job):
            if folder.exists():
                shutil.rmtree(folder)


def names_digest(names: Sequence[str] | None) -> str | None:
    """What stands for the class names in an identity; None where indices are the names."""
    return None if names is None else hashlib.sha256("\n".join(names).encode()).hexdigest()
