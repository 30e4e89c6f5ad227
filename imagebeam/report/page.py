"""One self-contained page: what was counted, as HTML that runs nothing but its own script.

Names and labels come from strangers. They reach the page through a template that escapes them, or
as JSON in an element that no browser runs; what they do to text around them is made visible; and
the page's own policy admits no script, style or address but those that are put in here.

Charts are drawn by uPlot (npm's uplot 1.6.32, MIT, unchanged in `template/uplot`), which is small
and needs neither `eval` nor inline styles. Bars in tables are parts of their rows, so that they can
be filtered, printed and read aloud.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from imagebeam.report import account_data, facts
from imagebeam.report.contents import Contents
from imagebeam.report.data import Original, data
from imagebeam.report.escape_control_chars import visible
from imagebeam.report.timeline import Timeline

_PACKAGE = "imagebeam.report"
_FOLDER = "template"
_MOST_FINDINGS = 20


class Explanation(NamedTuple):
    """Why images end in a code, and what to do about it."""

    cause: str
    cure: str


def render(
    contents: Contents,
    originals: Mapping[str, Original],
    codes: Mapping[str, Explanation],
    version: str,
    made: datetime,
    pictures_note: str = "",
) -> str:
    """The page.

    Args:
        contents: what was counted.
        originals: pictures that could be read, by URI.
        codes: what is known of error codes.
        version: of this program.
        made: now, with its time zone.
        pictures_note: what there is to say of the pictures that are shown.
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
        account=account_data.shown(contents),
        classes=contents.classes,
        has_pictures=contents.labelled > 0,
        pictures_note=pictures_note,
        failures=contents.failures,
        most_failures=max((failure.images for failure in contents.failures), default=0),
        codes=codes,
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
    environment.filters["visible"] = visible
    environment.filters["number"] = "{:,}".format
    return environment.get_template("page.html")


def _asset(name: str) -> Markup:
    """A file of ours, which goes into the page as it is."""
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
    """JSON that cannot end the element that it stands in."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    escaped = text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
    return Markup(escaped)
