"""Find the code blocks of the documentation, run them, and compare what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

DOCS = Path(__file__).parents[2] / "docs"

_HASH = "\0"
_CHANGING = r"(?:\d+ (?:h|min) )?\d[\d.,]*(?= (?:min|s|ms|MB|GB|images/s)\b)|sha256:[0-9a-f]+"
"""The parts that differ from run to run: times, rates, sizes and digests."""


class Step(NamedTuple):
    """Commands of a page, and the output that the page shows below them, if any."""

    commands: str
    output: str | None


def blocks(page: str, language: str) -> dict[str, list[str]]:
    """Return the code blocks of a page in one language, by the heading above them."""
    found: dict[str, list[str]] = {}
    text = (DOCS / page).read_text(encoding="utf-8")
    for heading, section in re.findall(r"^#+ (.+?)\n(.*?)(?=^#+ |\Z)", _outside(text), re.M | re.S):
        marked = re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)
        if marked:
            found[heading] = [block.replace(_HASH, "#") for block in marked]
    return found


def _outside(text: str) -> str:
    """Return the text with the hashes in code blocks hidden, because they are not headings."""
    return re.sub(
        r"^```.*?^```$", lambda block: block[0].replace("#", _HASH), text, flags=re.M | re.S
    )


def steps(page: str) -> list[Step]:
    """Return the blocks of commands of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.M | re.S)
    return [Step(commands, output or None) for commands, output in found]


def run_python(page: str) -> dict[str, Any]:
    """Run the Python blocks of a page in order; return their names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for found in blocks(page, "python").values():
        for block in found:
            exec(block, names)
    return names


def run_page(
    page: str,
    folder: Path,
    replaced: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run the commands of a page and compare their output with the page.

    Args:
        page: name below `docs/`.
        folder: where the commands run; also the home folder.
        replaced: texts of the commands, such as addresses, and what they become in the test.
        environment: variables that the commands need besides those of this process.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for step in steps(page):
        commands = step.commands
        for old, new in (replaced or {}).items():
            commands = commands.replace(old, new)
        process = subprocess.run(
            ["bash", "-euc", commands],
            cwd=folder,
            env=os.environ
            # The default module would be downloaded.
            | {"PATH": path, "HOME": str(folder), "COLUMNS": "100", "IMAGEBEAM_MODULE": "demo"}
            | dict(environment or {}),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert process.returncode == 0, f"{page}: {commands}"
        if step.output is not None:
            assert _comparable(process.stdout, folder) == _comparable(step.output, folder)


def _comparable(output: str, folder: Path) -> list[str]:
    text = output.replace(str(folder), "/home/you").replace(str(DOCS.parent), "/home/you/imagebeam")
    text = re.sub(r" +", " ", re.sub(_CHANGING, "#", text))
    return [line.strip() for line in text.strip().splitlines()]
