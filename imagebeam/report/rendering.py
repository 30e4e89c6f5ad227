"""Render pages that run only their own scripts.

Names and labels are untrusted. They reach a page through a template that escapes them, or as JSON
in an element that browsers do not run. Control characters are made visible, and the content
security policy of each page admits only the scripts and the style that are put in here.
"""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from imagebeam.escape_control_chars import escape_control_chars

_PACKAGE = "imagebeam.report"
_FOLDER = "template"


def render(
    template: str, style: str, scripts: Sequence[str], sources: Mapping[str, str], **values: Any
) -> str:
    """Return a page.

    Args:
        template: name of its file.
        style: the style sheet, put in as `style`.
        scripts: put in as `scripts`.
        sources: what else its policy admits: directives such as `img-src`, and their sources.
    """
    directives = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)) or "'none'",
        "style-src": _hash(style),
        **sources,
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    policy = "; ".join(f"{name} {source}" for name, source in directives.items())
    text: str = _template(template).render(
        policy=policy, style=Markup(style), scripts=[Markup(text) for text in scripts], **values
    )
    return text


def asset(name: str) -> str:
    """Return the text of a file of this package."""
    path = files(_PACKAGE).joinpath(_FOLDER, *name.split("/"))
    return path.read_text(encoding="utf-8")


def json_text(values: Any) -> Markup:
    """Return values as JSON that cannot end the element that contains it."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return safe_json(text)


def safe_json(text: str) -> Markup:
    """Return JSON that cannot end the element that contains it."""
    escaped = text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
    return Markup(escaped)


def score_text(score: float) -> str:
    """Return a score with two decimals, rounded as the page's script rounds the thousandths."""
    if not math.isfinite(score):
        return "–"
    return f"{math.floor(math.floor(1000 * score + 0.5) / 10 + 0.5) / 100:.2f}"


def _template(name: str) -> Any:
    environment = Environment(
        loader=PackageLoader(_PACKAGE, _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["escape_control_chars"] = escape_control_chars
    environment.filters["number"] = "{:,}".format
    environment.filters["score"] = score_text
    return environment.get_template(name)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
