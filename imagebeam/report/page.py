"""Write the report: one HTML page that shows an output, works from disk and uses no network.

Charts are drawn by uPlot (npm's uplot 1.6.32, MIT, unchanged in `template/uplot`), which is small
and needs neither `eval` nor inline styles. Bars in tables belong to their rows, so that they can be
filtered, printed and read aloud.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

from imagebeam.images.errors import CODES
from imagebeam.images.listing.left_out import REASONS
from imagebeam.outputs.files import write_whole
from imagebeam.report import contents as output_contents
from imagebeam.report import facts, rendering, side_files, summary_counts, thumbnails
from imagebeam.report.accuracy import Accuracy
from imagebeam.report.contents import Contents
from imagebeam.report.data import RowList, by_importance, data
from imagebeam.report.image_list import PAGE_BYTES, FailureList, ImageList
from imagebeam.report.timeline import Timeline
from imagebeam.report.truth import TruthRows
from imagebeam.storage import AnyPath
from imagebeam.storage.atomic_files import remove_leftovers
from imagebeam.version import __version__

_MOST_FINDINGS = 20
_MOST_FOLDERS = 200
_SCRIPTS = ("state", "classes", "rows", "gallery", "failures", "charts", "page")
"""Files that make the page's script, in this order."""

ON_DISK = {"img-src": "data: file:", "frame-src": "'self' file:"}
"""The sources that the policy of a page on disk admits: original pictures, and files beside it."""


def write_report(
    output: AnyPath,
    target: AnyPath | None = None,
    most_thumbnails: int | None = None,
    page_bytes: int = PAGE_BYTES,
    truth: TruthRows | None = None,
) -> tuple[Contents, AnyPath]:
    """Write the page of an output; return its contents and its path.

    Args:
        target: path of the page; None puts it into the output.
        most_thumbnails: number of images to read again for thumbnails; None reads them until a
            limit of time or size.
        page_bytes: the bytes of the rows in the page. Others are in files beside it.
        truth: true labels to compare with.

    Raises:
        OutputError: the folder is not an output.
        InputError: the true labels do not fit.
    """
    images, failures = ImageList(page_bytes), FailureList(page_bytes // 8)
    truths = [truth] if truth else []
    found = output_contents.read(output.absolute(), [images, *truths], [failures, *truths])
    accuracy = truth.accuracy() if truth else None
    rows_shown = [*(accuracy.pictures if accuracy else ()), *by_importance(found)]
    names = list(dict.fromkeys(row["uri"] for row in rows_shown))
    made = thumbnails.make(names, most_thumbnails)
    target = target or found.layout.report
    if isinstance(target, Path):
        remove_leftovers(target)
    lists = {"images": images, "failures": failures}
    files = side_files.write(target, {name: each.files() for name, each in lists.items()})
    text = render(
        found,
        made.encoded,
        {
            name: RowList(each.total, each.held, each.labels, files[name])
            for name, each in lists.items()
        },
        {name: each.page_chunks() for name, each in lists.items()},
        pictures_note=_note(found.labelled, len(names), made, most_thumbnails),
        accuracy=accuracy,
    )
    write_whole(target, text.encode())
    side_files.remove_others(target, [name for some in files.values() for name in some])
    return found, target


def render(
    contents: Contents,
    encoded: Mapping[str, str],
    lists: Mapping[str, RowList],
    chunks: Mapping[str, Sequence[str]] | None = None,
    sources: Mapping[str, str] = ON_DISK,
    pictures_note: str = "",
    accuracy: Accuracy | None = None,
) -> str:
    """Return the page.

    Args:
        encoded: thumbnails as `data:` URIs, by the URI of the picture.
        lists: the rows of all "images" and all "failures".
        chunks: JSON texts with rows that are in the page, likewise; None if it is served.
        sources: what the policy of the page admits besides its script and its style.
        pictures_note: a note about the pictures that are shown.
        accuracy: the accuracy of the labels, where the true ones are known.
    """
    timeline = Timeline.of(contents.parts)
    drawn = timeline if timeline and timeline.is_drawn else None
    script = "\n".join(rendering.asset(f"script/{name}.js") for name in _SCRIPTS)
    folders = contents.breakdown.folders()
    return rendering.render(
        "page.html",
        rendering.asset("uplot/uPlot.min.css") + rendering.asset("page.css"),
        [rendering.asset("uplot/uPlot.iife.min.js"), f'"use strict";\n(() => {{\n{script}}})();'],
        sources,
        data=rendering.json_text(data(contents, encoded, lists, drawn)),
        chunks={name: map(rendering.safe_json, some) for name, some in (chunks or {}).items()},
        title=contents.layout.root.name,
        root=str(contents.layout.root),
        state=facts.state(contents),
        notes=facts.notes(contents),
        findings=contents.findings[:_MOST_FINDINGS],
        findings_left=max(len(contents.findings) - _MOST_FINDINGS, 0),
        summary=summary_counts.shown_summary(contents),
        classes=contents.classes,
        has_pictures=contents.labelled > 0,
        pictures_note=pictures_note,
        failures=contents.failures,
        most_failures=max((failure.images for failure in contents.failures), default=0),
        codes=CODES,
        run=contents.summary or {},
        reasons=REASONS,
        folders=folders[:_MOST_FOLDERS],
        folders_note=facts.folders_note(contents, folders[_MOST_FOLDERS:]),
        years=contents.breakdown.years(),
        years_note=facts.years_note(contents),
        accuracy=accuracy,
        thumbnails=encoded,
        timeline=timeline,
        facts=facts.provenance(contents),
        is_served=lists["images"].is_served,
        version=__version__,
        made=datetime.now(timezone.utc),
    )


def _note(labelled: int, wanted: int, made: thumbnails.Thumbnails, most: int | None) -> str:
    """Return a note about the thumbnails: which pictures have none, and why."""
    if most == 0:
        return "Made without thumbnails (--no-thumbnails)."
    sentences = [f"Pictures with thumbnails: {len(made.encoded):,}."]
    if unreadable := sum(made.unreadable.values()):
        codes = ", ".join(f"{count:,} {code}" for code, count in sorted(made.unreadable.items()))
        sentences.append(f"{unreadable:,} can no longer be read and are shown by name ({codes}).")
    if made.stopped:
        sentences.append(f"No more thumbnails were made {made.stopped}.")
    elif most is not None and wanted > most:
        sentences.append(f"No more thumbnails were made because of --thumbnails {most}.")
    if len(made.encoded) < labelled:
        sentences.append(
            "Other pictures are shown from their files, where the page is opened on the machine "
            "that has them."
        )
    return " ".join(sentences)
