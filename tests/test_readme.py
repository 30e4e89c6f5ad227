"""Test that the README and the tables of the documentation agree with the code."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from imagebeam.beam_pipeline import exit_codes
from imagebeam.beam_pipeline.cli import command_parser
from imagebeam.images.containers.types import ContainerLimits
from imagebeam.images.errors import CODES

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_ERROR_CODES = (_ROOT / "docs" / "error-codes.md").read_text(encoding="utf-8")


def _code_rows() -> list[str]:
    return [
        f"| `{code}` | {leaf.stage} | {'yes' if leaf.retryable else 'no'} "
        f"| {leaf.cause} | {leaf.fix} |"
        for code, leaf in CODES.items()
    ]


def test_every_error_code_is_explained() -> None:
    table = _ERROR_CODES.partition("<!-- codes -->")[2].partition("<!-- /codes -->")[0]
    assert table.strip().splitlines()[2:] == _code_rows()


def test_exit_codes_are_those_of_the_command_line() -> None:
    codes = {
        getattr(exit_codes, name) for name in ("DONE", "FAILED", "USAGE", "BROKEN", "INTERRUPTED")
    }
    stated = re.findall(r"^\| (\d+) \| ", _ERROR_CODES, re.MULTILINE)
    assert {int(code) for code in stated} == codes


def test_the_make_targets_exist() -> None:
    makefile = (_ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", _README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("line", re.findall(r"^    imagebeam (.+?)(?: +#.*)?$", _README, re.M))
def test_every_command_line_can_be_parsed(line: str) -> None:
    arguments = shlex.split(line)
    parsed, unknown = command_parser.parse(arguments)
    assert unknown == []
    assert callable(parsed.command.run)


def test_the_archive_limits_are_those_of_the_code() -> None:
    page = (_ROOT / "docs" / "inputs.md").read_text(encoding="utf-8")
    table = page.partition("<!-- caps -->")[2].partition("<!-- /caps -->")[0]
    stated = {int(number.replace(",", "")) for number in re.findall(r"[\d,]{4,}", table)}
    assert stated == set(dataclasses.astuple(ContainerLimits()))


def test_every_link_has_a_target() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", _README)
    assert links != []
    assert [link for link in links if not (_ROOT / link).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "deploy/README.md"])
def test_every_file_that_a_page_names_exists(page: str) -> None:
    text = (_ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:beam_pipeline|transforms|imagebeam|tests|docs|\.ci)/[\w./]*)`", text)
    # NAME stands for a name that the reader chooses.
    named = [name for name in named if "NAME" not in name]
    assert named != []
    assert [name for name in named if not (_ROOT / name).exists()] == []
