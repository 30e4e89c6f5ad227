"""The command `report`: an output is counted, pictures are fetched, and a page is written."""

from datetime import datetime, timezone

from beam_pipeline import VERSION, display, thumbnails
from beam_pipeline.errors import DONE, FAILED
from images.errors import CODES
from results.layout import write_whole
from results.report import contents, page, pictures
from results.report.page import Explanation
from results.report.smallest import Row
from stores import AnyPath


def report(output: AnyPath, target: AnyPath | None, most_thumbnails: int) -> int:
    """Write the page of an output; the exit code.

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
        {code: Explanation(leaf.cause, leaf.cure) for code, leaf in CODES.items()},
        VERSION,
        datetime.now(timezone.utc),
        _note(rows, made, most_thumbnails),
    )
    target = target or found.layout.report
    write_whole(target, text.encode())
    display.show_report(found, target)
    return FAILED if found.findings else DONE


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
