"""Test every code block of the documentation: run it, or at least parse it."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagebeam.beam_pipeline.cli import command_parser
from imagebeam.samples import ARCHIVE
from tests.beam_pipeline.jobs import imagebeam
from tests.docs.pages import DOCS, blocks, run_page, steps

_PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
_UNDERSTOOD = {"python", "sh", "sql", "yaml", "text"}


def _marked(language: str) -> Iterator[tuple[str, str]]:
    for page in _PAGES:
        for found in blocks(page, language).values():
            yield from ((page, block) for block in found)


def _lines(page: str) -> list[str]:
    """Return the commands of a page's shell blocks, each on one line."""
    text = "".join(block for each, block in _marked("sh") if each == page)
    return text.replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("page", _PAGES)
def test_every_block_is_in_a_tested_language(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    # Every other fence opens a block.
    opened = re.findall(r"^ *```(.*)$", text, re.M)[::2]
    assert set(opened) <= _UNDERSTOOD


@pytest.mark.parametrize("page", sorted({page for page, _ in _marked("sh")}))
def test_the_parser_accepts_the_commands(page: str) -> None:
    for line in _lines(page):
        # What follows a pipe is another program.
        words = shlex.split(line.partition(" | ")[0], comments=True)
        # The parser itself answers these, and exits.
        if words[:1] == ["imagebeam"] and words[1:] not in (["--version"], ["--help"]):
            parsed, unknown = command_parser.parse(words[1:])
            assert callable(parsed.command.run)
            assert unknown == [] or parsed.command.TAKES_BEAM_OPTIONS


@pytest.mark.parametrize("page", _PAGES)
def test_every_block_of_text_is_the_output_of_commands(page: str) -> None:
    shown = [text for found in blocks(page, "text").values() for text in found]
    assert shown == [step.output for step in steps(page) if step.output is not None]


def test_the_extras_are_those_of_the_package() -> None:
    setup = (DOCS.parent / "setup.py").read_text(encoding="utf-8")
    extras = re.findall(r'^        "(\w+)": \[', setup.partition("extras_require")[2], re.M)
    install = (DOCS / "install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", install, re.M)) == set(extras)
    for page in _PAGES:
        text = (DOCS / page).read_text(encoding="utf-8")
        for named in re.findall(r"'\.\[([\w,]+)\]'", text):
            assert set(named.split(",")) <= set(extras)


def test_configurations_are_yaml() -> None:
    found = [block for _, block in _marked("yaml")]
    assert found != []
    assert all(isinstance(yaml.safe_load(block), dict) for block in found)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Return a folder with pictures, some of them broken, and the true label of one of them."""
    shutil.copytree(ARCHIVE / "kitchen", tmp_path / "photos")
    (tmp_path / "photos" / "empty.jpg").touch()
    known = min((tmp_path / "photos").glob("IMG_2*.jpg"))
    (tmp_path / "labelled.csv").write_text(f"uri,label\nphotos/{known.name},clock\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", ["label.md", "failures.md", "following.md", "outputs.md"])
def test_commands_run_without_changes(page: str, here: Path) -> None:
    # The small module of the sample archive has no class for a kind of cat.
    replaced = {"'tabby, tabby cat'": "clock", "tabby": "clock", "mobilenet_v1_100_224": "demo"}
    run_page(page, here, replaced)


@pytest.mark.slow
def test_the_snippet_on_failures_counts_them_by_code(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert imagebeam("label", here / "photos", "--output", tmp_path / "labels") == 0
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    [block] = blocks("failures.md", "python")["Inspect failures"]
    exec(block, names)
    assert [(*row[:3], Path(row[3]).parent) for row in names["failed"]] == [
        ("unsupported_format", False, 2, here / "photos"),
        ("empty_file", False, 1, here / "photos"),
    ]


@pytest.mark.parametrize(
    ("heading", "printed"),
    [
        ("A few pictures, in a notebook", ""),
        ("Many pictures, in your own Beam pipeline", "label='apple'"),
        ("RunInference", "(128, 128) 24\n"),
    ],
)
def test_the_python_snippets_run(
    heading: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    [block] = blocks("python.md", "python")[heading]
    exec(block, names)
    assert printed in capsys.readouterr().out
    if heading.startswith("A few"):
        assert names["names"] == ["apple", "clock"]
