"""Generate the pages that repeat other files and the command line, while the site is built."""

import os
import re
from collections.abc import Iterator, Sequence
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
_GUIDES = {
    "compact": ("outputs.md#many-small-files", "scale.md#sizes"),
    "compare": ("outputs.md#compare-two-modules",),
    "completion": ("install.md#shell-completion",),
    "demo": ("tutorial.md",),
    "doctor": ("label.md#check-first", "troubleshooting.md"),
    "export": ("outputs.md#tables-keywords-and-folders",),
    "label": ("label.md", "inputs.md", "outputs.md", "engines.md"),
    "module": ("modules.md", "training.md"),
    "report": ("outputs.md#the-report",),
    "search": ("outputs.md#tables-keywords-and-folders",),
    "status": ("following.md",),
    "verify": ("outputs.md#summaryjson",),
}
"""The guides that the page of each command links to; all `module` commands have the same ones."""

_SECTION = "Commands"


def on_config(config: Any) -> Any:
    """List the pages of the commands in the menu; MkDocs calls this function."""
    names = _commands().COMMANDS
    pages: list[Any] = [{"All commands": "commands/index.md"}]
    pages += [{f"imagebeam {name}": _page(name)} for name in names]
    [section] = [entry for entry in config["nav"] if _SECTION in entry]
    section[_SECTION] = pages
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages; MkDocs calls this function."""
    pages = {page: copied(name) for name, page in _COPIED.items()}
    pages["commands/index.md"] = "\n".join(overview())
    for name in _commands().COMMANDS:
        pages[_page(name)] = "\n".join(command(name))
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


def overview() -> Iterator[str]:
    """Yield the page that lists all commands."""
    names = _commands().COMMANDS
    from imagebeam.beam_pipeline.cli import main

    yield "# Commands\n"
    yield "| command | purpose |\n|---|---|"
    for name in names:
        yield f"| [`imagebeam {name}`]({Path(_page(name)).name}) | {main.summary_of(name)} |"
    yield "\nAll commands accept `--help` and `--debug`. `imagebeam --help` prints this:\n"
    yield f"```text\n{main.general_help().rstrip()}\n```"


def command(name: str) -> Iterator[str]:
    """Yield the page of a command: its description, its options, and links to guides."""
    parser = _commands().command_parser(name)
    yield f"# imagebeam {name}\n"
    yield f"```text\n{parser.usage}\n```\n"
    yield from _prose(str(parser.description))
    groups: dict[str, list[Any]] = {"arguments": []}
    for action in parser.arguments:
        if action.dest != "help":
            default = "options" if action.option_strings else "arguments"
            groups.setdefault(parser.headings.get(action.dest, default), []).append(action)
    for heading, actions in groups.items():
        if not actions:
            continue
        column = "argument" if heading == "arguments" else "option"
        yield f"\n## {heading[:1].upper()}{heading[1:]}\n\n| {column} | meaning |\n|---|---|"
        for action in actions:
            yield f"| {_spelling(action)} | {_meaning(action)} |"
    links = [f"[{_title(guide)}](../{guide})" for guide in _GUIDES.get(name.split()[0], ())]
    if links:
        yield f"\n## See also\n\n{', '.join(links)}"


def _prose(description: str) -> Iterator[str]:
    """Yield the paragraphs of a help text; lines that are indented become a block of code."""
    for paragraph in re.split(r"\n\s*\n", description.strip("\n")):
        for indented, text in re.findall(r"((?:^ .*\n?)+)|((?:^\S.*\n?)+)", paragraph, re.M):
            yield f"\n```text\n{indented.rstrip()}\n```\n" if indented else _escaped(text) + "\n"


def _spelling(action: Any) -> str:
    value = _value(action)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(
        f"`{name} {value}`" if value else f"`{name}`" for name in action.option_strings
    )


def _value(action: Any) -> str:
    if action.nargs == 0:
        return ""
    choices = f"{{{','.join(map(str, action.choices))}}}" if action.choices else ""
    name = str(action.metavar or choices or action.dest.upper())
    return {"*": f"[{name} …]", "+": f"{name} …"}.get(action.nargs, name)


def _meaning(action: Any) -> str:
    text = str(action.help or "") % (vars(action) | {"prog": "imagebeam"})
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    parts = text.split("`")
    # Every other part is code.
    parts[::2] = [re.sub(r"([*_<])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _title(guide: str) -> str:
    page, _, heading = guide.partition("#")
    text = (_ROOT / "docs" / page).read_text(encoding="utf-8")
    titles: Sequence[str] = re.findall(r"^#+ (.+)$", text, re.M)
    wanted = [
        title
        for title in titles
        if re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") == heading
    ]
    return (wanted or titles)[0]


def _page(name: str) -> str:
    return f"commands/{name.replace(' ', '-')}.md"


def _commands() -> Any:
    # argparse wraps the lines of help texts at this width.
    os.environ["COLUMNS"] = "100"
    from imagebeam.beam_pipeline.cli import command_parser

    return command_parser
