"""Find the code blocks of the documentation."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> dict[str, list[str]]:
    """Return the code blocks of a page in one language, by the heading above them."""
    found: dict[str, list[str]] = {}
    text = (DOCS / page).read_text(encoding="utf-8")
    for heading, section in re.findall(r"^#+ (.+?)\n(.*?)(?=^#+ |\Z)", _outside(text), re.M | re.S):
        marked = re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)
        if marked:
            found[heading] = [block.replace(_HASH, "#") for block in marked]
    return found


_HASH = "\0"


def _outside(text: str) -> str:
    """Return the text with the hashes in code blocks hidden, because they are not headings."""
    return re.sub(
        r"^```.*?^```$", lambda block: block[0].replace("#", _HASH), text, flags=re.M | re.S
    )
