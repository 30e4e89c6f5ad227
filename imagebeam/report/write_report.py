"""Write the page of an output: count its rows, fetch pictures, render."""

from datetime import datetime, timezone

from imagebeam.images.errors import CODES
from imagebeam.outputs.layout import write_whole
from imagebeam.report import contents, page, pictures, thumbnails
from imagebeam.report.contents import Contents
from imagebeam.report.page import Explanation
from imagebeam.report.smallest_per_group import Row
from imagebeam.storage import AnyPath
from imagebeam.version import __version__


def write_report(
    output: AnyPath, target: AnyPath | None, most_thumbnails: int
) -> tuple[Contents, AnyPath]:
    """Write the page of an output; return what it shows and where it lies.

    Args:
        output: of a job.
        target: where the page goes; None puts it into the output.
        most_thumbnails: images to read again, and to show.
    """
    found = contents.read(output.absolute())
    rows = pictures.by_importance(found)
    made = thumbnails.make([row["uri"] for row in rows], most_thumbnails)
    text = page.render(
        found,
        made.originals,
        {code: Explanation(leaf.cause, leaf.fix) for code, leaf in CODES.items()},
        __version__,
        datetime.now(timezone.utc),
        _note(rows, made, most_thumbnails),
    )
    target = target or found.layout.report
    write_whole(target, text.encode())
    return found, target


def _note(rows: list[Row], made: thumbnails.Thumbnails, most: int) -> str:
    """What a reader should know of the thumbnails."""
    if not most:
        return "Made without thumbnails (--no-thumbnails)."
    said = [f"{len(made.originals):,} pictures have thumbnails."]
    if made.unreadable:
        said.append(f"{made.unreadable:,} can no longer be read and are shown by name.")
    if made.stopped:
        said.append(f"Making thumbnails was ended {made.stopped}.")
    elif len(rows) > most:
        said.append("The rest are shown by name: --thumbnails N makes more.")
    return " ".join(said)
