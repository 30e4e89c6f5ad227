"""What the command line says of itself, and how it ends."""

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebeam.beam_pipeline import exit_codes
from imagebeam.beam_pipeline.cli import main
from imagebeam.version import __version__
from tests.beam_pipeline.colours import draw
from tests.beam_pipeline.jobs import COMMAND, ROOT


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """All commands below one."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield below
                yield from _parsers(below)


_PARSERS = {parser.prog: parser for parser in _parsers(main.parser())}


def _examples(help_text: str) -> list[str]:
    return re.findall(
        r"^  (?:eval \"\$\()?(imagebeam .*?)(?:\)\"| > \S+)?(?:   .*)?$", help_text, re.M
    )


def test_the_examples_in_the_help_are_understood() -> None:
    told = [main.parser(), *_PARSERS.values()]
    lines = [line for parser in told for line in _examples(parser.format_help())]
    for line in lines:
        parsed, unknown = main.parser().parse_known_args(shlex.split(line)[1:])
        assert callable(parsed.command.run)
        assert unknown == [] or parsed.command.TAKES_BEAM_OPTIONS


@pytest.mark.parametrize("name", _PARSERS)
def test_every_command_begins_with_an_example_and_explains_each_argument(name: str) -> None:
    parser = _PARSERS[name]
    if parser.get_default("command") is None:
        return
    _, summary, examples, *_ = parser.format_help().split("\n\n")
    assert summary[0].isupper()
    assert _examples(examples) != []
    assert [action.dest for action in parser._actions if not action.help] == []


def test_exit_codes_are_told() -> None:
    codes = {
        getattr(exit_codes, name) for name in ("DONE", "FAILED", "USAGE", "BROKEN", "INTERRUPTED")
    }
    told = main.parser().format_help().partition("exit codes:")[2]
    assert {int(code) for code in re.findall(r"^  (\d+)", told, re.M)} == codes


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main.run(["--version"])
    assert capsys.readouterr().out == f"imagebeam {__version__}\n"


@pytest.mark.parametrize(
    "library", ["apache_beam", "numpy", "PIL", "pyarrow", "rich", "shtab", "tensorflow"]
)
def test_help_loads_nothing_heavy(library: str) -> None:
    code = (
        "import sys; from imagebeam.beam_pipeline.cli.main import parser; "
        f"parser().format_help(); sys.exit({library!r} in sys.modules)"
    )
    assert subprocess.run([*COMMAND[:1], "-c", code], cwd=ROOT, check=False).returncode == 0


def _abandoned(*arguments: object) -> tuple[int, str]:
    """Run a command whose output nobody reads; its exit code and what it says of that."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    return process.returncode, said


@pytest.mark.parametrize("arguments", [("--help",), ("completion", "bash")])
def test_output_that_nobody_reads(arguments: tuple[str, ...]) -> None:
    assert _abandoned(*arguments) == (0, "")


@pytest.mark.slow
def test_a_job_whose_summary_nobody_reads_ends_with_its_own_code(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    (tmp_path / "in" / "empty.png").touch()
    job = ("label", tmp_path / "in", "--output", tmp_path / "out", "--max-failure-rate", 0.1)
    code, said = _abandoned(*job)
    assert code == 1
    assert "1 of 2 images failed" in said
    assert "Broken pipe" not in said


def test_output_on_a_full_disk() -> None:
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [*COMMAND, "completion", "bash"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert process.returncode == 3
    assert process.stderr.startswith("imagebeam: error: the file system: No space left on device.")
