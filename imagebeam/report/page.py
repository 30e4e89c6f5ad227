"""Writes the report: one self-contained HTML page that runs only its own script.

Names and labels are untrusted. They reach the page through a template that escapes them, or as JSON
in an element that browsers do not run. Control characters are made visible, and the content
security policy of the page admits only the script and the style that are put in here.

Charts are drawn by uPlot (npm's uplot 1.6.32, MIT, unchanged in `template/uplot`), which is small
and needs neither `eval` nor inline styles. Bars in tables belong to their rows, so that they can be
filtered, printed and read aloud.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.images.errors import CODES
from imagebeam.outputs.layout import write_whole
from imagebeam.report import contents as output_contents
from imagebeam.report import facts, thumbnails
from imagebeam.report.contents import Contents
from imagebeam.report.data import Original, by_importance, data
from imagebeam.report.grouping import Row
from imagebeam.report.timeline import Timeline
from imagebeam.storage import AnyPath
from imagebeam.version import __version__

_PACKAGE = "imagebeam.report"
_FOLDER = "template"
_MOST_FINDINGS = 20


class Explanation(NamedTuple):
    """Why images fail with a code, and how to fix that."""

    reason: str
    fix: str


def write_report(
    output: AnyPath, target: AnyPath | None, most_thumbnails: int
) -> tuple[Contents, AnyPath]:
    """Write the page of an output; return its contents and its path.

    Args:
        output: of a job.
        target: path of the page; None puts it into the output.
        most_thumbnails: number of images to read again for thumbnails.
    """
    found = output_contents.read(output.absolute())
    rows = by_importance(found)
    made = thumbnails.make([row["uri"] for row in rows], most_thumbnails)
    text = render(
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


def render(
    contents: Contents,
    originals: Mapping[str, Original],
    codes: Mapping[str, Explanation],
    version: str,
    made: datetime,
    pictures_note: str = "",
) -> str:
    """Return the page.

    Args:
        contents: of the output.
        originals: pictures that could be read, by URI.
        codes: explanations of error codes.
        version: of this program.
        made: the current time, with its time zone.
        pictures_note: a note about the pictures that are shown.
    """
    timeline = Timeline.of(contents.parts)
    style = _asset("uplot/uPlot.min.css") + _asset("page.css")
    library, script = _asset("uplot/uPlot.iife.min.js"), _asset("page.js")
    drawn = timeline if timeline and timeline.is_drawn else None
    text: str = _template().render(
        policy=_policy(style, library, script),
        style=style,
        library=library,
        script=script,
        data=_json(data(contents, originals, drawn)),
        title=contents.layout.root.name,
        root=str(contents.layout.root),
        state=facts.state(contents),
        notes=facts.notes(contents),
        findings=contents.findings[:_MOST_FINDINGS],
        findings_left=max(len(contents.findings) - _MOST_FINDINGS, 0),
        summary=facts.shown_summary(contents),
        classes=contents.classes,
        has_pictures=contents.labelled > 0,
        pictures_note=pictures_note,
        failures=contents.failures,
        most_failures=max((failure.images for failure in contents.failures), default=0),
        codes=codes,
        left_out=facts.left_out(contents),
        timeline=timeline,
        stages=facts.stages(contents),
        facts=facts.provenance(contents),
        version=version,
        made=made,
    )
    return text


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader(_PACKAGE, _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["escape_control_chars"] = escape_control_chars
    environment.filters["number"] = "{:,}".format
    return environment.get_template("page.html")


def _asset(name: str) -> Markup:
    """Return a file of this package, which goes into the page unescaped."""
    path = files(_PACKAGE).joinpath(_FOLDER, *name.split("/"))
    return Markup(path.read_text(encoding="utf-8"))


def _policy(style: str, *scripts: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _json(values: Any) -> Markup:
    """Return JSON that cannot end the element that contains it."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    escaped = text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
    return Markup(escaped)


def _note(rows: list[Row], made: thumbnails.Thumbnails, most: int) -> str:
    """Return a note about the thumbnails."""
    if not most:
        return "Made without thumbnails (--no-thumbnails)."
    sentences = [f"{len(made.originals):,} pictures have thumbnails."]
    if made.unreadable:
        sentences.append(f"{made.unreadable:,} can no longer be read and are shown by name.")
    if made.stopped:
        sentences.append(f"No more thumbnails were made {made.stopped}.")
    elif len(rows) > most:
        sentences.append("The rest are shown by name; use --thumbnails N to make more.")
    return " ".join(sentences)
