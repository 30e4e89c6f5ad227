"""Generate the pages that repeat other files and the command line, while the site is built."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
_COPIED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "deploy/README.md": "deploy/README.md",
    "deploy/flink/README.md": "deploy/flink/README.md",
    "deploy/dataflow/README.md": "deploy/dataflow/README.md",
}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages; MkDocs calls this function."""
    pages = {page: copied(name) for name, page in _COPIED.items()}
    pages["reference/command-line.md"] = "\n".join(command_line())
    for page, content in pages.items():
        files.append(File.generated(config, page, content=content))
    files.append(File.generated(config, "LICENSE", abs_src_path=str(_ROOT / "LICENSE")))
    return files


def copied(name: str) -> str:
    """Return a file of the repository with its links adapted to the site."""
    text = (_ROOT / name).read_text(encoding="utf-8")
    text = text.replace("](docs/", "](").replace("](../../docs/", "](../../")
    for source, page in _COPIED.items():
        text = text.replace(f"]({source})", f"]({page})")
    return text


def command_line() -> Iterator[str]:
    """Yield the `--help` text of each command."""
    # argparse wraps lines at this width.
    os.environ["COLUMNS"] = "100"
    from imagebeam.beam_pipeline.cli import main

    yield "# Command line\n"
    yield _section("imagebeam", main.general_help())
    for name in main.COMMANDS:
        yield _section(f"imagebeam {name}", main.command_parser(name).format_help())


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text.rstrip()}\n```\n"
