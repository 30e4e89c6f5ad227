"""Make a folder per label with links to the images, or with copies of them."""

import hashlib
import os
import re
import shutil
from contextlib import ExitStack
from pathlib import Path

from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.exports.sidecars import Result
from imagebeam.outputs.reading import Output, Selection
from imagebeam.storage import uris
from imagebeam.storage.atomic_files import atomic_folder, remove_leftovers

_LONGEST = 120
"""Characters of a folder's name; file systems take 255 bytes."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


def export_folders(output: Output, target: Path, selection: Selection, copy: bool) -> Result:
    """Sort the images of an output into `target/LABEL/`. A new target appears when it is complete.

    Args:
        output: the output to read.
        target: a folder that is new or empty.
        selection: selects the images; with `top` over 1, an image is in several folders.
        copy: copy the images instead of making symbolic links.

    Raises:
        OutputError: the folder is not empty or cannot be made, or a label is unknown.
    """
    output.require(selection.columns, "--folders")
    result = Result()
    with ExitStack() as stack:
        try:
            folder = _folder_to_fill(target, stack)
        except OSError as error:
            raise OutputError(
                f"{target}: {error.strerror or error}. Choose a folder that can be written."
            ) from error
        for row in output.rows(("uri", *selection.columns)):
            for label, _ in selection.classes(row):
                _place(row["uri"], folder / folder_name(label), copy, result)
        selection.check(output)
    return result


def _folder_to_fill(target: Path, stack: ExitStack) -> Path:
    # A folder that is there may be a disk of its own, which nothing can replace.
    if target.exists():
        if any(target.iterdir()):
            raise OutputError(f"{target}: is not empty. Choose a folder that is new or empty.")
        return target
    remove_leftovers(target)
    return stack.enter_context(atomic_folder(target))


def folder_name(label: str) -> str:
    """Return a name for a label that every file system takes."""
    name = _UNSAFE.sub("_", label)[:_LONGEST].strip(" .")
    # Another label may give the same name after this.
    if name != label or not name:
        name = f"{name}~{hashlib.blake2b(label.encode(), digest_size=4).hexdigest()}"
    return name


def _place(uri: str, folder: Path, copy: bool, result: Result) -> None:
    if uris.scheme(uri) != "file" or uris.MEMBER in uri:
        result.problems.append(f"{uri}: it is not a file of this machine.")
        return
    source = uris.to_path(uri)
    if not os.path.isfile(source):
        result.problems.append(f"{uri}: the image no longer exists.")
        return
    stem, suffix = os.path.splitext(os.path.basename(source))
    target = folder / f"{stem}{suffix}"
    try:
        folder.mkdir(exist_ok=True)
        if os.path.lexists(target):
            digest = hashlib.blake2b(uri.encode(), digest_size=4).hexdigest()
            target = folder / f"{stem}~{digest}{suffix}"
        if copy:
            shutil.copy2(source, target)
        else:
            target.symlink_to(source)
        result.done += 1
    except OSError as error:
        result.problems.append(f"{uri}: {error.strerror or error}.")
