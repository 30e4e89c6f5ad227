"""Write the rows that do not fit into a page into files beside it.

A browser refuses to read files from a page on disk, but shows them in a frame. So each file is a
page that hands its rows to the page that contains it, as text.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from imagebeam.outputs.files import remove, write_whole
from imagebeam.report import rendering
from imagebeam.storage import AnyPath, Location

_NAME = re.compile(r"[0-9a-f]{32}\.html|\.[0-9a-f]{32}\.html\.[0-9a-f]{32}\.tmp")
"""A file beside a page, or what a killed process left of one."""

_SCRIPT = 'parent.postMessage(document.getElementById("rows").textContent, "*");'


def folder_of(page: AnyPath) -> AnyPath:
    """Return the folder of the files beside a page: `report.files` for `report.html`."""
    return page.with_name(f"{page.stem}.files")


def write(page: AnyPath, lists: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Write files of JSON; return their addresses relative to the page.

    Files of an earlier page stay until `remove_others`, because that page still needs them.
    """
    folder = folder_of(page)
    return {name: [_write(folder, text) for text in texts] for name, texts in lists.items()}


def remove_others(page: AnyPath, kept: Iterable[str] = ()) -> None:
    """Remove the files beside a page that it does not need; files of others stay."""
    folder = folder_of(page)
    names = {address.rpartition("/")[2] for address in kept}
    try:
        found: list[AnyPath] = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in found:
        if _NAME.fullmatch(path.name) and path.name not in names:
            remove(path)
    if isinstance(folder, Path):
        with suppress(OSError):
            folder.rmdir()


def _write(folder: AnyPath, text: str) -> str:
    content = rendering.render(
        "rows.html", "", [_SCRIPT], {}, rows=rendering.safe_json(text)
    ).encode()
    folder.mkdir(exist_ok=True)
    name = f"{hashlib.sha256(content).hexdigest()[:32]}.html"
    # The name is a digest of the content, so a file of that name is the same.
    if isinstance(folder, Location) or not (folder / name).exists():
        write_whole(folder / name, content)
    return f"{quote(folder.name)}/{name}"
