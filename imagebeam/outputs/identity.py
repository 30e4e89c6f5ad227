"""The identity of a job: an output never mixes rows of two jobs."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from imagebeam.outputs.compaction import journal
from imagebeam.outputs.documents import own_file, read_document, write_document
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import FORMATS, Layout, remove_temporaries, unusable
from imagebeam.outputs.listing_count import forget_listed_images
from imagebeam.outputs.own_files import delete_all, foreign_file
from imagebeam.outputs.schema import EMITTED
from imagebeam.storage import AnyPath, Location, uris
from imagebeam.storage.regular_files import regular_file

_DECIDES_ROWS = (
    *("module_digest", "engine", "image_size", "input_range", "channels", "resize"),
    *("signature", "module_output", "emit", "top_k", "min_score", "labels"),
    *("format", "kept", "hide_query", "root"),
)
"""Options that the values of a row depend on. Module name, versions and limits may differ."""

_IDENTITY_NAME = "job/identity.json"


def read(root: AnyPath) -> tuple[Layout, dict[str, Any]]:
    """Open an output for reading; return its layout and the identity of its job.

    Raises:
        OutputError: the folder is not an output.
        ConnectionError: its store does not answer.
    """
    try:
        identity = read_document(Layout(root).identity)
        if identity["format"] not in FORMATS or not {*identity["emit"]} <= {*EMITTED}:
            raise ValueError("its identity was written by another version")
        if not isinstance(identity.get("kept") or {}, dict):
            raise ValueError("its identity has no columns named 'kept'")
        return Layout(root, identity["format"]), identity
    except ConnectionError:
        raise
    # A folder whose identity cannot be read is not the output of a job.
    except Exception as error:
        reason = str(error)
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            missing = isinstance(root, Path) and not root.exists()
            reason = "there is no such folder" if missing else f"it holds no {_IDENTITY_NAME}"
        raise OutputError(
            f"{root}: not an output of imagebeam ({reason}). Give the --output folder of a job."
        ) from error


def check_inputs(layout: Layout, inputs: Iterable[str]) -> None:
    """Raise OutputError for an input in a folder of the output that belongs to the job."""
    for name in inputs:
        place = uris.to_path(name) if uris.scheme(name) == "file" else name
        # No file has a zero byte in its name.
        if uris.scheme(name) == "file" and "\0" not in place:
            place = os.path.realpath(place)
        for folder in (layout.predictions, layout.errors, layout.job):
            # Either may be a link, or lie behind one.
            own = os.path.realpath(folder) if isinstance(folder, Path) else folder
            if f"{place}/".startswith(f"{own}/"):
                raise OutputError(
                    f"{name}: is inside {folder}, which belongs to the output. Move it elsewhere, "
                    "or choose another --output."
                )


def claim(layout: Layout, identity: Mapping[str, Any], overwrite: bool) -> None:
    """Prepare the output folder for a job, or refuse it.

    Args:
        identity: the identity of the job; holds at least the options that the values of a row
            depend on.
        overwrite: delete the files of an earlier job.

    Raises:
        OutputError: the folder cannot be written, holds something else, or rows of another job.
    """
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        if overwrite and layout.identity.exists():
            delete_all(layout)
        else:
            check(layout, identity)
            journal.recover(layout)
        # Written first, so that a run that is killed right after it can be resumed.
        layout.job.mkdir(exist_ok=True)
        write_document(layout.identity, identity)
        for folder in (layout.predictions, layout.errors):
            folder.mkdir(exist_ok=True)
        remove_temporaries(layout)
        # An existing summary belongs to the run that wrote it, not to the one that starts.
        layout.summary.unlink(missing_ok=True)
        layout.plan.unlink(missing_ok=True)
        forget_listed_images(layout)
    except OSError as error:
        raise unusable(layout, error) from error


def check(layout: Layout, identity: Mapping[str, Any]) -> bool:
    """Check that a folder belongs to a job or is empty. Change nothing.

    Args:
        layout: the layout of the folder, which must exist.
        identity: the identity of the job; holds at least the options that the values of a row
            depend on.

    Returns:
        Whether an earlier run of the job wrote to it.

    Raises:
        OutputError: the folder holds something else, or rows of another job.
    """
    try:
        with own_file(layout.identity, "Run with --overwrite to start again."):
            earlier = read_document(layout.identity)
    except FileNotFoundError:
        if (foreign := foreign_file(layout)) is not None:
            raise OutputError(
                f"{layout.root}: is not empty (it holds {foreign!r}) and was not created by "
                "imagebeam. Choose an --output folder that is new or empty."
            ) from None
        return False
    with own_file(layout.identity, "Run with --overwrite to start again."):
        differences = [
            _difference(name, earlier, identity)
            for name in _DECIDES_ROWS
            if identity.get(name) != earlier.get(name)
        ]
    if differences:
        raise OutputError(
            f"{layout.root}: belongs to another job: {'; '.join(differences)}. Choose another "
            "--output, use the earlier options, or start again with --overwrite."
        )
    if (changed := changed_module(layout, earlier)) is not None:
        raise OutputError(
            f"{changed}: was changed since a run of this job wrote it, so rows may come from "
            "another module. Run with --overwrite to start again, or delete the file to keep the "
            "rows."
        )
    return True


def changed_module(layout: Layout, identity: Mapping[str, Any]) -> AnyPath | None:
    """Return the file of the module in the output if its content is not what a run wrote.

    Outputs of earlier versions have no record of it.
    """
    staged = identity.get("staged_module")
    if not isinstance(staged, dict) or not {"file", "sha256"} <= staged.keys():
        return None
    path = layout.job / os.path.basename(str(staged["file"]))
    try:
        return None if _content_digest(path) == staged["sha256"] else path
    except FileNotFoundError:
        return None
    except ValueError:
        return path


def _content_digest(path: AnyPath) -> str:
    digest = hashlib.sha256()
    with path.open("rb") if isinstance(path, Location) else regular_file(path) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


_PIECE = 1 << 20


def job_digest(identity: Mapping[str, Any]) -> str:
    """Return a digest of what the rows of a job depend on, for its parts.

    Options at their defaults are left out, so that one more option leaves the digest as it is.
    """
    decisive = {name: identity.get(name) for name in _DECIDES_ROWS if name != "format"}
    stated = {name: value for name, value in decisive.items() if value is not None}
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]


def _difference(name: str, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name a difference by the option that makes it: `--top-k 5, now 2`."""
    match name:
        case "module_digest":
            was, is_now = (_shown(values.get("module")) for values in (earlier, now))
            return f"--module {was}, now {is_now if is_now != was else 'with other content'}"
        case "labels":
            return "--labels with other class names"
        case "image_size":
            was, is_now = ("×".join(map(str, values.get(name) or ())) for values in (earlier, now))
            return f"input of {was} pixels, now {is_now}"
        case "kept":
            # --keep, --digest and others add them.
            was, is_now = (_shown(values.get(name) or ()) for values in (earlier, now))
            return f"added columns {was}, now {is_now}"
        case _:
            option = name.replace("_", "-")
            return f"--{option} {_shown(earlier.get(name))}, now {_shown(now.get(name))}"


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple, dict)):
        return ",".join(map(str, value)) or "nothing"
    return "the default" if value is None else str(value)


def names_digest(names: Sequence[str] | None) -> str | None:
    """Return a digest of the class names; None where indices are the names."""
    return None if names is None else hashlib.sha256("\n".join(names).encode()).hexdigest()
