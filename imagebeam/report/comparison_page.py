"""Write a page that shows what changed between two outputs of the same images."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from imagebeam.outputs import identity
from imagebeam.outputs.compare import Comparison
from imagebeam.outputs.files import write_whole
from imagebeam.outputs.reading import Output
from imagebeam.report import rendering, thumbnails
from imagebeam.storage import AnyPath, uris
from imagebeam.version import __version__


def write_comparison(
    old: Output, new: Output, comparison: Comparison, target: AnyPath, max_drift: float | None
) -> None:
    """Write the page of a comparison; `max_drift` is the accepted share of changes."""
    made = thumbnails.make([flip.uri for flip in comparison.flips])
    text = rendering.render(
        "comparison.html",
        rendering.asset("page.css"),
        [],
        {"img-src": "data:"},
        sides={
            "Old": _side(old, comparison.only_old, comparison.only_old_names),
            "New": _side(new, comparison.only_new, comparison.only_new_names),
        },
        comparison=comparison,
        max_drift=max_drift,
        most_moved=max((move.images for move in comparison.moves), default=0),
        thumbnails=made.encoded,
        links={flip.uri: _link(flip.uri) for flip in comparison.flips},
        version=__version__,
        made=datetime.now(timezone.utc),
    )
    write_whole(target, text.encode())


def _side(output: Output, only: int, names: Sequence[str]) -> dict[str, Any]:
    """Return what the page says of an output: `only` counts the images that only it has."""
    _, claimed = identity.read(output.layout.root)
    return {
        "root": str(output.layout.root),
        "module": f"{claimed['module']} ({claimed['module_digest']})",
        "is_complete": output.is_complete,
        "only": only,
        "only_names": names,
    }


def _link(name: str) -> str:
    """Return the address under which a browser finds an image; empty if there is none."""
    if uris.MEMBER in name:
        return ""
    if (scheme := uris.scheme(name)) != "file":
        return name if scheme in ("http", "https") else ""
    path = Path(uris.to_path(name))
    return path.as_uri() if path.is_absolute() else ""
